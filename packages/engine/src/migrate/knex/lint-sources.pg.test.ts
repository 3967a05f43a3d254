import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lintFiles } from '../../lint/lint-files.ts'
import { lintRules } from '../../lint/rules/index.ts'
import { migrationsAmong, planKnexSources } from './lint-sources.ts'
import { withProject } from './project.fixture.ts'

const first = `exports.up = async (knex) => {
  await knex.schema.createTable('users', (table) => {
    table.increments('id')
    table.string('name')
  })
}
exports.down = (knex) => knex.schema.dropTable('users')
`

async function lint(files: Record<string, string>) {
  let report: Awaited<ReturnType<typeof lintFiles>> | undefined
  let notes: readonly string[] = []
  await withProject(files, async ({ directory }) => {
    const sources = Object.entries(files).map(([path, text]) => ({ path, text }))
    const planned = await planKnexSources(sources, directory)
    report = planned.atSource(await lintFiles(planned.sources, { rules: lintRules }))
    notes = planned.notes
  })
  assert.ok(report)
  const places = report.findings.map(({ rule, file, line, related }) => ({
    rule,
    at: `${file}:${line}`,
    other: related.map((end) => `${end.file}:${end.line}`),
  }))
  return { places, report, notes }
}

test('planKnexSources: findings name both ends in the lines of the Knex files, which --fix leaves alone', async () => {
  const { places, report } = await lint({
    '001_a.js': first,
    '002_b.js': `exports.up = async (knex) => {

  await knex.schema.alterTable('users', (table) => table.string('name'))
}`,
  })

  assert.deepEqual(
    places.filter(({ rule }) => rule === 'column-added-twice'),
    [{ rule: 'column-added-twice', at: '002_b.js:3', other: ['001_a.js:2'] }],
  )
  assert.deepEqual([...report.edits.keys()], [])
  assert.ok(report.texts.get('002_b.js')?.startsWith('exports.up'))
})

test('planKnexSources: a finding in down stands in the Knex file, too', async () => {
  const { places } = await lint({
    '001_a.js': first.replace("dropTable('users')", "dropTable('persons')"),
  })

  assert.ok(places.length > 0)
  assert.ok(
    places.every(({ at }) => /^001_a\.js:[127]$/.test(at)),
    JSON.stringify(places),
  )
})

test('planKnexSources: a comment above a call silences all that the call sends, and is stale when it silences nothing', async () => {
  const twice = (rule: string) => ({
    '001_a.js': first,
    '002_b.js': `exports.up = async (knex) => {
  // imhotep:ignore ${rule} it was agreed
  await knex.schema.alterTable('users', (table) => {
    table.string('name')
    table.text('other')
    table.comment('people')
  })
}`,
  })

  const used = await lint(twice('column-added-twice'))
  const stale = await lint(twice('type-mismatch'))

  const rulesOf = ({ places }: typeof used) => places.map(({ rule }) => rule).filter((rule) => /twice|stale/.test(rule))
  assert.deepEqual(rulesOf(used), [])
  assert.deepEqual(rulesOf(stale).toSorted(), ['column-added-twice', 'stale-ignore'])
})

test('planKnexSources: says where a plan depends on rows', async () => {
  const { notes } = await lint({
    '001_a.js': first.replace('\n}\nexports.down', "\n  await knex('users')\n}\nexports.down"),
  })

  assert.deepEqual(notes, ['001_a.js:6: not known without a database: rows of: select * from "users"'])
})

test('planKnexSources: files of one number run in the order of their names, and none is taken for the other', async () => {
  const { places } = await lint({
    '20260101000000_002-roles.js': `exports.up = (knex) => knex.raw('create table roles (id int primary key references users (id))')
exports.down = (knex) => knex.raw('drop table roles')`,
    '20260101000000_001-users.js': `exports.up = (knex) => knex.raw('create table users (id int primary key)')
exports.down = (knex) => knex.raw('drop table users')`,
  })

  const history = places.filter(({ rule }) => /^(version|used|missing|down)-/.test(rule))
  assert.deepEqual(history, [])
})

test('planKnexSources: names in a file whose plan stops may be made by it, others may not', async () => {
  const { places } = await lint({
    '001_a.js': first,
    '002_b.js': `exports.up = async (knex) => {
  const { name } = await knex('users').first('name')
  if (name.length > 0) await knex.schema.createTable('later', (table) => table.increments('id'))
}
exports.down = (knex) => knex.schema.dropTable('later')`,
    '003_c.js': `exports.up = async (knex) => {
  await knex.raw('alter table later add column a int')
  await knex.raw('alter table never add column a int')
}`,
  })

  const history = places.filter(({ rule }) => /^(used|missing|down)-/.test(rule))
  assert.deepEqual(
    history.map(({ rule, at }) => `${rule} ${at}`),
    ['missing-object 003_c.js:3'],
  )
})

test('planKnexSources: what a call does wrong twice is told once', async () => {
  const { places } = await lint({
    '001_a.js': first,
    '002_b.js': `exports.up = (knex) => knex.raw("update users set name = 'a'; update users set name = 'b'")`,
  })

  assert.equal(places.filter(({ rule }) => rule === 'update-without-where').length, 1)
})

test('migrationsAmong: SQL that Knex files read is no migration, SQL files of the same sequence are', () => {
  const none = ['seed.sql', 'release/tables.sql', 'release/001_tables.sql']
  const some = ['001_a.js', '002_b.sql', '003_c/migration.sql']

  assert.deepEqual(migrationsAmong([...none, ...some]), some)
  assert.deepEqual(migrationsAmong(none), none)
  assert.deepEqual(migrationsAmong(['knex/001_a.ts', 'knex/x/y.sql', 'sql/V1__a.sql']), [
    'knex/001_a.ts',
    'sql/V1__a.sql',
  ])
})
