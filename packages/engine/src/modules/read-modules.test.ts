import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkModules } from './check-modules.ts'
import { manifest, writeFixture } from '../../../../tests/support/module-files.ts'
import { ModuleError } from './module-error.ts'
import { readModules } from './read-modules.ts'

async function problemsOf(directory: string): Promise<string[]> {
  const error = await readModules(directory).catch((error: unknown) => error)
  assert.ok(error instanceof ModuleError, String(error))
  assert.equal(error.code, 'IMH_MODULE')
  return error.problems
}

test('readModules: reads manifest, files in order of their numbers, and seeds', async (t) => {
  const directory = await writeFixture(t, {
    'zoo/module.json': manifest('zoo', ['farm']),
    'zoo/README.md': '# zoo',
    'zoo/200-feed.sql': 'select 2;\r\n',
    'zoo/010-types.sql': 'select 1;',
    'zoo/seed/system/010-animals.sql': 'select 3;',
    'zoo/seed/demo/020-visitors.sql': 'select 4;',
    'farm/module.json': manifest('farm'),
    'presets.json': '{}',
  })

  const modules = await readModules(directory)

  assert.deepEqual(
    modules.map(({ name, requires, hasReadme }) => ({ name, requires, hasReadme })),
    [
      { name: 'farm', requires: [], hasReadme: false },
      { name: 'zoo', requires: ['farm'], hasReadme: true },
    ],
  )
  assert.deepEqual(modules[1]?.files, [
    { path: 'zoo/010-types.sql', band: 10, name: 'types', text: 'select 1;' },
    { path: 'zoo/200-feed.sql', band: 200, name: 'feed', text: 'select 2;\n' },
  ])
  assert.deepEqual(
    modules[1]?.seeds.system.map((file) => file.path),
    ['zoo/seed/system/010-animals.sql'],
  )
  assert.deepEqual(
    modules[1]?.seeds.demo.map((file) => file.name),
    ['visitors'],
  )
})

test('readModules: names everything that is wrong at once', async (t) => {
  const directory = await writeFixture(t, {
    'a/module.json': manifest('same', ['nowhere']),
    'b/module.json': manifest('same'),
    'c/README.md': '# no manifest',
    'd/module.json': '{"schema": "d", "owner": 1, "requires": "a"}',
    'e/module.json': '{',
    'f/module.json': manifest('f'),
    'f/1-table.sql': '',
    'f/100-one.sql': '',
    'f/100-two.sql': '',
  })

  const problems = await problemsOf(directory)

  const about = (start: string) => problems.filter((problem) => problem.startsWith(start)).length
  assert.equal(about('a/module.json: requires "nowhere"'), 1)
  assert.equal(about('b/module.json: schema "same" already belongs to module "a"'), 1)
  assert.equal(about('c/module.json: is missing'), 1)
  assert.equal(about('d/module.json: '), 4)
  assert.equal(about('e/module.json: is not JSON'), 1)
  assert.equal(about('f/1-table.sql: must be named'), 1)
  assert.equal(about('f/100-two.sql: has the same number as f/100-one.sql'), 1)
  assert.equal(problems.length, 10)
})

test('readModules: refuses a circle of requirements and shows it', async (t) => {
  const directory = await writeFixture(t, {
    'a/module.json': manifest('a', ['b']),
    'b/module.json': manifest('b', ['c']),
    'c/module.json': manifest('c', ['a']),
  })

  assert.deepEqual(await problemsOf(directory), ['a/module.json: requires itself through a -> b -> c -> a'])
})

test('readModules: says so when there is no such directory', async () => {
  assert.deepEqual(await problemsOf('no/such/place'), ['no/such/place: cannot be read (ENOENT)'])
})

test('checkModules: finds names that lead out of the requirements, with their place', async (t) => {
  const directory = await writeFixture(t, {
    'base/module.json': manifest('base'),
    'base/README.md': '',
    'base/100-things.sql': 'create table base.things (id uuid);',
    'left/module.json': manifest('left', ['base']),
    'left/README.md': '',
    'left/100-rows.sql': `create table left.rows (id uuid);
alter table left.rows add constraint rows_fkey foreign key (id) references base.things (id);
alter table left.rows add constraint rows_right_fkey foreign key (id) references right.rows (id);`
      .replaceAll('left.', '"left".')
      .replaceAll('right.', '"right".'),
    'left/200-work.sql': `create function "left".work() returns void language plpgsql as $$
begin
  delete from base.things;
  delete from other.things;
end $$;`,
    'right/module.json': manifest('right', ['base', 'left'], []),
    'right/README.md': '',
  })

  const findings = await checkModules(await readModules(directory))

  assert.deepEqual(
    findings.map(({ rule, file, line, object }) => [rule, file, line, object]),
    [
      ['module-boundary', 'left/100-rows.sql', 3, 'right.rows'],
      ['module-boundary', 'left/200-work.sql', 4, 'other.things'],
    ],
  )
})

test('checkModules: a foreign key may follow a listed cycle, anything else may not', async (t) => {
  const directory = await writeFixture(t, {
    'a/module.json': manifest('a', [], ['later']),
    'a/100-rows.sql': `alter table a.rows add constraint rows_fkey foreign key (id) references later.rows (id);
select later.call();`,
  })

  const findings = await checkModules(await readModules(directory))

  assert.deepEqual(
    findings.map(({ rule, object }) => [rule, object]),
    [
      ['module-boundary', 'later.call'],
      ['module-readme', 'a'],
    ],
  )
})
