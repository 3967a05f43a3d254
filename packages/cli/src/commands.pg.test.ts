import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { demoDatabase, emptyDatabase, hospitalDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { runCli } from '../../../tests/support/run-cli.ts'

// The JSON shapes are public: whoever changes a list of keys below breaks the tools that read them.

let demo: TestDatabase
before(async () => void (demo = await demoDatabase()))
after(() => demo.drop())

async function runJson(args: string[], database: TestDatabase = demo, cwd?: string) {
  const options = { env: { DATABASE_URL: database.url }, ...(cwd === undefined ? {} : { cwd }) }
  const { code, stdout, stderr } = await runCli([...args, '--json'], options)
  assert.equal(stdout.trim().split('\n').length, 1, `more than one line on stdout: ${stdout}\n${stderr}`)
  return { code, answer: JSON.parse(stdout), stdout, stderr }
}

const FINDING = 'rule family severity file line column object message related help fix'.split(' ').toSorted()

test('imhotep verify --attack --quick --json: answers checks, findings and attempts, none through', async () => {
  const { code, answer } = await runJson(['verify', '--attack', '--quick'])

  assert.deepEqual(Object.keys(answer), ['command', 'ok', 'target', 'checks', 'tables', 'findings', 'attack', 'ms'])
  assert.deepEqual(Object.keys(answer.target), ['host', 'database', 'environment'])
  assert.equal(answer.target.environment, 'development')
  assert.ok(answer.checks > 0 && answer.attack.attempts > 0)
  assert.deepEqual(answer.attack.through, [])
  for (const finding of answer.findings) assert.deepEqual(Object.keys(finding).toSorted(), FINDING)
  assert.equal(code, 0)
})

test('imhotep verify: a table without its policy is exit code 1 and a finding that names it', async () => {
  await using database = await hospitalDatabase()
  const db = connect(database.url)
  await db.query('alter table patient.patients no force row level security')
  await db.close()

  const { code, answer } = await runJson(['verify'], database)

  assert.equal(code, 1)
  assert.equal(answer.ok, false)
  assert.ok(answer.findings.some(({ object }: { object: string }) => object === 'patient.patients'))
})

test('imhotep verify --attack: follows the policy of the config file, in a schema of other conventions', async () => {
  await using database = await emptyDatabase()
  const directory = mkdtempSync(join(tmpdir(), 'imhotep-policy-'))
  const db = connect(database.url)
  await db.query('create table public.visits (clinic bigint not null, id bigint not null, primary key (clinic, id))')
  await db.query('alter table public.visits enable row level security, force row level security')
  const own = `clinic = (select nullif(current_setting('my.clinic', true), '')::bigint)`
  await db.query(`create policy clinic on public.visits using (${own}) with check (${own})`)
  await db.close()
  const policy = {
    tenantColumn: 'clinic',
    tenantType: 'bigint',
    contextSetting: 'my.clinic',
    contextExpression: `nullif(current_setting('my.clinic', true), '')::bigint`,
    isolationPolicy: 'clinic',
    attackRole: null,
    attackContext: {},
  }
  writeFileSync(join(directory, 'imhotep.config.json'), JSON.stringify({ policy }))

  const { code, answer } = await runJson(['verify', '--attack'], database, directory)

  rmSync(directory, { recursive: true })
  assert.deepEqual(answer.findings, [])
  assert.deepEqual(answer.attack.through, [])
  assert.ok(answer.attack.attempts > 50)
  assert.equal(code, 0)
})

test('imhotep status --json: answers each version with its state', async () => {
  const { code, answer } = await runJson(['status'])

  assert.equal(code, 0)
  assert.deepEqual(Object.keys(answer), ['command', 'ok', 'target', 'versions', 'chainBrokenAt'])
  assert.deepEqual(Object.keys(answer.versions[0]), ['version', 'file', 'state'])
  assert.equal(answer.versions[0].state, 'applied')
})

test('imhotep info: is the same as status', async () => {
  const { code, answer } = await runJson(['info'])

  assert.equal(code, 0)
  assert.equal(answer.command, 'status')
})

test('imhotep migrate --json: answers what was applied, and nothing the second time', async () => {
  await using database = await emptyDatabase('cli_migrate')
  const project = mkdtempSync(join(tmpdir(), 'imhotep-migrate-'))
  writeFileSync(join(project, 'imhotep.config.json'), '{"migrations": ".", "historyTable": "public.history"}')
  writeFileSync(join(project, 'V001__a.sql'), 'create table a (id int primary key);')
  writeFileSync(join(project, 'V002__b.sql'), 'create table b (id int primary key);')

  const first = await runJson(['migrate'], database, project)
  const second = await runJson(['migrate'], database, project)

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

  const missing = await runJson(['migrate', '--placeholder', 'ward'], database, project)
  const applied = await runJson(['migrate', '--placeholder', 'ward=south'], database, project)
  writeFileSync(
    join(project, 'V001__a.sql'),
    'create schema ${ward};  create table ${ward}.${bed} (id int primary key);',
  )
  const status = await runJson(['status'], database, project)
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
  const after = await runJson(['status'], database, project)

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

  const { code, answer } = await runJson(['seed', 'demo'], database)

  assert.equal(code, 1)
  assert.equal(answer.error.code, 'IMH_SEED_REFUSED')
})

test('imhotep audit seal, then verify: answers each log of each tenant without a problem', async () => {
  await using database = await demoDatabase()

  const seal = await runJson(['audit', 'seal'], database)
  const verify = await runJson(['audit', 'verify'], database)

  assert.equal(seal.code, 0)
  assert.equal(verify.code, 0)
  assert.deepEqual(Object.keys(verify.answer), ['command', 'ok', 'target', 'action', 'logs'])
  assert.ok(verify.answer.logs.some(({ sealedRows }: { sealedRows: number }) => sealedRows > 0))
})

test('imhotep audit: seals with a key and verifies with its public half; wrong files and options are told', async () => {
  await using database = await demoDatabase()
  const directory = mkdtempSync(join(tmpdir(), 'imhotep-key-'))
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  writeFileSync(join(directory, 'key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(join(directory, 'key.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  const before = await runJson(['audit', 'verify', '--public-key', 'key.pub'], database, directory)
  const db = connect(database.url, { max: 1 })
  await db.query(
    `insert into audit.audit_logs (tenant_id, action, schema_name, table_name) select id, 'export', 'x', 'y' from core.tenants`,
  )
  await db.query(
    `insert into audit.phi_access_logs (tenant_id, resource_type, access_kind, purpose_of_use)
     select id, 'Patient', 'view', 'TREAT' from core.tenants`,
  )
  await db.close()

  const wrong = await runJson(['audit', 'seal', '--key', 'key.pub'], database, directory)
  const missing = await runJson(['audit', 'seal', '--key', 'none.pem'], database, directory)
  const misplaced = await runJson(['audit', 'verify', '--key', 'key.pem'], database, directory)
  const seal = await runJson(['audit', 'seal', '--key', 'key.pem'], database, directory)
  const pack = await runJson(['audit', 'pack', '--key', 'key.pem'], database, directory)
  const verify = await runJson(['audit', 'verify', '--public-key', 'key.pub'], database, directory)
  rmSync(directory, { recursive: true })

  assert.equal(before.code, 1) // the seals of the demo have no signature
  assert.equal(verify.code, 0)
  assert.deepEqual(
    new Set(verify.answer.logs.map(({ signedSeals }: { signedSeals: number }) => signedSeals)),
    new Set([1]),
  )
  assert.deepEqual([wrong.code, missing.code, misplaced.code, seal.code, pack.code], [2, 2, 2, 0, 0])
  assert.match(misplaced.answer.error.message, /--key is for: imhotep audit seal or pack/)
})

test('imhotep audit pack: packs a month that ended long ago, and what it held verifies from the archive', async () => {
  await using database = await demoDatabase()
  const db = connect(database.url, { max: 1 })
  await db.query(
    `create table audit.audit_logs_y2020m01 partition of audit.audit_logs for values from ('2020-01-01') to ('2020-02-01')`,
  )
  await db.query(`select core.protect_partition('audit.audit_logs_y2020m01', 'audit.audit_logs')`)
  await db.query(`
    insert into audit.audit_logs (tenant_id, occurred_at, action, schema_name, table_name)
    select id, '2020-01-15', 'export', 'test', 'test' from core.tenants, generate_series(1, 3)`)
  await db.close()

  const pack = await runJson(['audit', 'pack'], database)
  const verify = await runJson(['audit', 'verify'], database)

  assert.deepEqual(
    pack.answer.months.map(({ rows, dropped }: { rows: number; dropped: boolean }) => ({ rows, dropped })),
    [{ rows: 6, dropped: true }],
  )
  assert.equal(verify.code, 0)
})

test('imhotep bundle --check: the committed script is what the modules say', async () => {
  const { code, answer } = await runJson(['bundle', '--check'])

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
