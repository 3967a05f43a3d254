import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Module, ModuleFile } from '../modules/module.ts'
import { parseSql } from '../parse/parse-sql.ts'
import { isGuard } from './is-guard.ts'
import { SeedOrderError } from './errors.ts'
import { seedFiles } from './seed-files.ts'

function moduleWith(name: string, requires: string[], demo: (string | { file: string; text: string })[]): Module {
  const files = demo.map((seed): ModuleFile => {
    const { file, text } = typeof seed === 'string' ? { file: seed, text: '' } : seed
    return { path: `${name}/seed/demo/${file}`, band: Number(file.slice(0, 3)), name: file.slice(4, -4), text }
  })
  return {
    name,
    schema: name,
    service: name,
    requires,
    cycles: [],
    purpose: '',
    directory: '',
    hasReadme: true,
    files: [],
    seeds: { system: [], demo: files },
  }
}

test('seedFiles: orders modules behind what they require, and higher hundreds behind all lower ones', () => {
  const modules = [
    moduleWith('app', ['users'], ['010-a.sql', '100-b.sql']),
    moduleWith('users', [], ['020-y.sql', '010-x.sql', '110-z.sql']),
  ]

  const files = seedFiles(modules, 'demo')

  assert.deepEqual(
    files.map(({ version }) => version),
    [
      'seed:demo:users/010-x',
      'seed:demo:users/020-y',
      'seed:demo:app/010-a',
      'seed:demo:users/110-z',
      'seed:demo:app/100-b',
    ],
  )
  assert.deepEqual(seedFiles(modules.toReversed(), 'demo'), files)
  assert.deepEqual(seedFiles(modules, 'system'), [])
})

test('seedFiles: a file waits for its own module and those that it requires, not for others', () => {
  const modules = [
    moduleWith('app', ['users'], ['100-a.sql', '110-b.sql']),
    moduleWith('billing', ['app'], ['120-c.sql', '200-d.sql']),
    moduleWith('mail', [], ['130-e.sql', '210-h.sql']),
    moduleWith('users', [], ['010-f.sql', '110-g.sql', '220-i.sql']),
  ]

  assert.deepEqual(waits(modules), {
    '010-f': [],
    '130-e': [],
    '110-g': ['010-f'],
    '100-a': ['010-f', '110-g'],
    '110-b': ['010-f', '110-g', '100-a'],
    '120-c': ['010-f', '110-g', '100-a', '110-b'],
    '210-h': ['130-e'],
    '220-i': ['010-f', '110-g'],
    '200-d': ['010-f', '110-g', '100-a', '110-b', '120-c', '220-i'],
  })
})

const named = (comment: string) => [
  moduleWith('app', [], ['100-a.sql', '200-b.sql']),
  moduleWith('mail', [], ['130-c.sql', { file: '300-d.sql', text: `${comment}\n\nselect 1 -- imhotep:after app\n` }]),
]

test('seedFiles: a file waits for what the comment that it begins with names', () => {
  for (const [comment, first] of [
    ['-- why', ['130-c']],
    ['-- why\n--imhotep:after app/100-a', ['100-a', '130-c']],
    ['-- imhotep:after app\r', ['100-a', '130-c', '200-b']],
    ['\n-- imhotep:after app/100-a, app/200-b', ['100-a', '130-c', '200-b']],
    ['-- imhotep:after app/100-a\n-- imhotep:after app/200-b', ['100-a', '130-c', '200-b']],
    ['-- imhotep:after elsewhere/100-a', ['130-c']],
    ['-- imhotep:after *', ['100-a', '130-c', '200-b']],
  ] as const)
    assert.deepEqual(waits(named(comment))['300-d']?.toSorted(), first, comment)
})

test('seedFiles: refuses a name of a module that is there and of no seed before the file', () => {
  for (const name of ['app/100-b', 'app/100-a.sql', 'mail/300-d'])
    assert.throws(
      () => seedFiles(named(`-- imhotep:after ${name}`), 'demo'),
      (error) =>
        error instanceof SeedOrderError && error.message.includes(`'${name}'`) && error.file.endsWith('300-d.sql'),
    )
})

function waits(modules: Module[]): Record<string, string[]> {
  return Object.fromEntries(seedFiles(modules, 'demo').map((file) => [file.name, file.after.map(nameIn)]))
}

/** `seed:demo:app/100-a` -> `100-a` */
function nameIn(version: string): string {
  return version.slice(version.indexOf('/') + 1)
}

test('isGuard: accepts the call of the guard and nothing that only looks like it', async () => {
  const accepted = async (text: string) => isGuard((await parseSql(text, 'x.sql')).statements[0], 'core.guard')

  assert.equal(await accepted('-- why\nSELECT core.guard( );'), true)
  for (const text of [
    '',
    'select guard()',
    'select core.guard(1)',
    'select core.guard() where false',
    'select core.guard() from t',
    'select core.guard() limit 0',
    'select core.guard(), 1',
    'select core.guard() offset 1',
    "select 'core.guard()'",
    'select case when false then core.guard() end',
    'insert into t select core.guard()',
    'with t as (select 1) select core.guard()',
    'select core.guard() union select 1',
    'select core.guard() group by 1 having false',
  ]) {
    assert.equal(await accepted(text), false, text)
  }
})
