import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { demoDatabase, emptyDatabase, hospitalDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { runCli, runCliJson } from '../../../tests/support/run-cli.ts'

// The JSON shapes are public: whoever changes a list of keys below breaks the tools that read them.

let demo: TestDatabase
before(async () => void (demo = await demoDatabase()))
after(() => demo.drop())

test('imhotep status --json: answers each version with its state', async () => {
  const { code, answer } = await runCliJson(['status'], demo.url)

  assert.equal(code, 0)
  assert.deepEqual(Object.keys(answer), ['command', 'ok', 'target', 'versions', 'chainBrokenAt'])
  assert.deepEqual(Object.keys(answer.versions[0]), ['version', 'file', 'state'])
  assert.equal(answer.versions[0].state, 'applied')
})

test('imhotep info: is the same as status', async () => {
  const { code, answer } = await runCliJson(['info'], demo.url)

  assert.equal(code, 0)
  assert.equal(answer.command, 'status')
})

test('imhotep migrate --json: answers what was applied, and nothing the second time', async () => {
  await using database = await emptyDatabase('cli_migrate')
  const project = mkdtempSync(join(tmpdir(), 'imhotep-migrate-'))
  writeFileSync(join(project, 'imhotep.config.json'), '{"migrations": ".", "historyTable": "public.history"}')
  writeFileSync(join(project, 'V001__a.sql'), 'create table a (id int primary key);')
  writeFileSync(join(project, 'V002__b.sql'), 'create table b (id int primary key);')

  const first = await runCliJson(['migrate'], database.url, project)
  const second = await runCliJson(['migrate'], database.url, project)

  rmSync(project, { recursive: true })
  assert.equal(first.code, 0)
  for (const key of ['command', 'ok', 'target', 'applied', 'already', 'pending', 'ms'])
    assert.ok(key in first.answer, key)
  assert.deepEqual(Object.keys(first.answer.applied[0]), ['version', 'file', 'ms'])
  assert.equal(first.answer.applied.length, 2)
  assert.equal(second.answer.applied.length, 0)
  assert.equal(second.answer.already, 2)
})

test('imhotep migrate: placeholders have their values from the config file, and from the command line before it', async () => {
  await using database = await emptyDatabase('cli_placeholders')
  const project = mkdtempSync(join(tmpdir(), 'imhotep-placeholders-'))
  const config = { migrations: '.', historyTable: 'public.history', placeholders: { ward: 'north', bed: 'bed' } }
  writeFileSync(join(project, 'imhotep.config.json'), JSON.stringify(config))
  writeFileSync(
    join(project, 'V001__a.sql'),
    'create schema ${ward}; create table ${ward}.${bed} (id int primary key);',
  )

  const missing = await runCliJson(['migrate', '--placeholder', 'ward'], database.url, project)
  const applied = await runCliJson(['migrate', '--placeholder', 'ward=south'], database.url, project)
  writeFileSync(
    join(project, 'V001__a.sql'),
    'create schema ${ward};  create table ${ward}.${bed} (id int primary key);',
  )
  const status = await runCliJson(['status'], database.url, project)
  const tables = await connect(database.url).query(
    `select schemaname, tablename from pg_tables where tablename = 'bed'`,
  )

  rmSync(project, { recursive: true })
  assert.deepEqual([missing.code, applied.code, status.code], [2, 0, 0])
  assert.deepEqual(tables, [{ schemaname: 'south', tablename: 'bed' }])
})

test('imhotep migrate: a syntax error is told with file, line and column, and nothing is applied', async () => {
  await using database = await emptyDatabase('cli_syntax')
  const project = mkdtempSync(join(tmpdir(), 'imhotep-syntax-'))
  writeFileSync(join(project, 'imhotep.config.json'), '{"migrations": ".", "historyTable": "public.history"}')
  writeFileSync(join(project, 'V001__a.sql'), 'create table a (id int primary key);')
  writeFileSync(join(project, 'V002__b.sql'), 'create table b (\n  id int primry key\n);')

  const { code, stderr } = await runCli(['migrate'], { cwd: project, env: { DATABASE_URL: database.url } })
  const after = await runCliJson(['status'], database.url, project)

  rmSync(project, { recursive: true })
  assert.equal(code, 1)
  assert.match(stderr, /V002__b\.sql:2:10/)
  assert.deepEqual(
    after.answer.versions.map(({ state }: { state: string }) => state),
    ['pending', 'pending'],
  )
})

test('imhotep seed demo: is refused on a production database with exit code 1', async () => {
  await using database = await hospitalDatabase()
  const db = connect(database.url)
  const [mark] = await db.query<{ environment: string | null }>('select core.environment() as environment')
  if (mark?.environment === null) await db.query(`select core.set_environment('production')`)
  else await db.query(`update core.system_settings set value = '"production"' where key = 'core.environment'`)
  await db.close()

  const { code, answer } = await runCliJson(['seed', 'demo'], database.url)

  assert.equal(code, 1)
  assert.equal(answer.error.code, 'IMH_SEED_REFUSED')
})

test('imhotep bundle --check: the committed script is what the modules say', async () => {
  const { code, answer } = await runCliJson(['bundle', '--check'], demo.url)

  assert.equal(answer.state, 'fresh')
  assert.equal(code, 0)
})

test('imhotep: a wrong password is told by code and hint, and never shown', async () => {
  const wrong = new URL(demo.appUrl)
  wrong.password = 'hunter2'

  const { code, stdout, stderr } = await runCli(['status', '--url', wrong.href, '--verbose'])

  assert.equal(code, 2)
  assert.match(stderr, /code: IMH_AUTHENTICATION_FAILED/)
  assert.ok(!`${stdout}${stderr}`.includes('hunter2'))
})

test('imhotep: a database that does not exist is told by its name', async () => {
  const missing = new URL(demo.url)
  missing.pathname = '/nowhere'

  const { code, stderr } = await runCli(['status', '--url', missing.href])

  assert.equal(code, 2)
  assert.match(stderr, /nowhere/)
})

test('imhotep status: the first line names host, database and environment', async () => {
  const { stdout } = await runCli(['status'], { env: { DATABASE_URL: demo.url } })

  const [first] = stdout.split('\n')
  const { host, pathname } = new URL(demo.url)
  assert.equal(first, `imhotep status: ${host}, database ${pathname.slice(1)}, environment development`)
})

test('imhotep up: a history of another schema is applied, and the error says which commands are for it', async () => {
  await using database = await emptyDatabase()
  const directory = mkdtempSync(join(tmpdir(), 'imhotep-others-'))
  mkdirSync(join(directory, 'db/migration'), { recursive: true })
  writeFileSync(join(directory, 'imhotep.config.json'), '{ "migrations": "db/migration" }')
  writeFileSync(join(directory, 'db/migration/001_wards.sql'), 'create table wards (id int)')

  const { code, stderr } = await runCli(['up'], { cwd: directory, env: { DATABASE_URL: database.url } })

  rmSync(directory, { recursive: true })
  assert.equal(code, 1)
  assert.match(stderr, /imhotep migrate, status[^]*code: IMH_SCHEMA_NOT_OURS/)
  const db = connect(database.url)
  assert.deepEqual(await db.query('select * from wards'), [])
  await db.close()
})

test('imhotep up: refuses a database that is in use and carries no marker, and changes nothing', async () => {
  await using database = await demoDatabase()
  const db = connect(database.url)
  await db.transaction(async (tx) => {
    await tx.query('set local session_replication_role = replica') // the mark is protected by a trigger
    await tx.query(`delete from core.system_settings where key = 'core.environment'`)
  })

  const { code, stderr } = await runCli(['up'], { env: { DATABASE_URL: database.url } })

  const [mark] = await db.query<{ environment: string | null }>('select core.environment() as environment')
  await db.close()
  assert.equal(code, 1)
  assert.match(stderr, /code: IMH_ENVIRONMENT_UNKNOWN/)
  assert.equal(mark?.environment, null)
})
