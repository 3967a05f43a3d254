import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync, mkdirSync, cpSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test, type TestContext } from 'node:test'
import { connect } from '@imhotep/postgres'
import { emptyDatabase, testServer } from '../../../tests/support/database.ts'
import { runCli } from '../../../tests/support/run-cli.ts'

const schema = fileURLToPath(new URL('../../../schema', import.meta.url))

/** A project with files under db/migration. */
function project(t: TestContext, files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'imhotep-diff-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  mkdirSync(join(root, 'db/migration'), { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text)
  return root
}

test('imhotep diff migrations modules: is empty, and prints the statement when a module was changed without a migration', async (t) => {
  const cwd = project(t, { 'imhotep.config.json': '{"modules": ["core"], "schema": "schema"}' })
  cpSync(join(schema, 'core'), join(cwd, 'schema/core'), { recursive: true })
  writeFileSync(join(cwd, 'schema/presets.json'), '{}')
  const server = ['--server', await testServer()]
  await runCli(['bundle'], { cwd })
  const same = await runCli(['diff', 'migrations', 'modules', ...server], { cwd })
  const file = join(cwd, 'schema/core/130-feature_flags.sql')
  writeFileSync(file, `${readFileSync(file, 'utf8')}\nalter table core.feature_flags add column weight int;\n`)

  const changed = await runCli(['diff', 'migrations', 'modules', ...server], { cwd })
  const written = await runCli(['diff', 'migrations', 'modules', '--write', 'weigh_flags', ...server], { cwd })
  const again = await runCli(['diff', 'migrations', 'modules', '--json', ...server], { cwd })

  assert.deepEqual([same.code, same.stdout], [0, 'migrations and modules are the same schema\n'], same.stderr)
  assert.equal(changed.code, 1)
  assert.match(changed.stdout, /^alter table core\.feature_flags add column weight integer;$/m)
  assert.match(written.stdout, /written to db\/migration\/V002__weigh_flags\.sql/)
  const { command, ok, statements } = JSON.parse(again.stdout)
  assert.deepEqual([again.code, command, ok, statements], [0, 'diff', true, []])
})

test('imhotep diff --write: refuses what loses data until that is said', async (t) => {
  const cwd = project(t, {
    'db/migration/V001__a.sql': 'create table public.a (x int, y int);',
    'wanted.sql': 'create table public.a (x int);',
  })
  const args = ['diff', 'migrations', 'wanted.sql', '--write', 'less', '--server', await testServer()]

  const refused = await runCli(args, { cwd })
  const allowed = await runCli([...args, '--allow-data-loss'], { cwd })

  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /data would be lost: column public\.a\.y/)
  assert.equal(allowed.code, 1)
  assert.match(
    readFileSync(join(cwd, 'db/migration/V002__less.sql'), 'utf8'),
    /^-- data loss: .*\nalter table public\.a drop column y;\n$/,
  )
})

test('imhotep diff --write: a view that is made again stays when the index behind it fails', async (t) => {
  await using database = await emptyDatabase()
  const left =
    'create schema a; create table a.t (id int primary key, email varchar(20)); create view a.v as select email from a.t;'
  const cwd = project(t, {
    'db/migration/V001__a.sql': left,
    'wanted.sql': left.replace('(20)', '(50), unique (email)'),
  })
  const env = { DATABASE_URL: database.url }
  const server = ['--server', await testServer()]
  await runCli(['migrate'], { cwd, env })
  const db = connect(database.url)
  t.after(() => db.close())
  await db.query("insert into a.t values (1, 'x'), (2, 'x')")

  const written = await runCli(['diff', 'migrations', 'wanted.sql', '--write', 'unique_email', ...server], { cwd })
  const migrated = await runCli(['migrate'], { cwd, env })
  const views = await db.query(
    "select 1 from information_schema.columns where table_name = 'v' and character_maximum_length = 50",
  )
  await db.query('delete from a.t where id = 2')
  const again = await runCli(['migrate'], { cwd, env })
  const same = await runCli(['diff', 'migrations', 'wanted.sql', ...server], { cwd })

  assert.match(written.stdout, /^written to db\/migration\/V002__unique_email\.sql$/m)
  assert.match(written.stdout, /^written to db\/migration\/V003__unique_email_no_transaction\.sql$/m)
  assert.notEqual(migrated.code, 0)
  assert.equal(views.length, 1)
  assert.equal(again.code, 0, again.stderr)
  assert.equal(same.code, 0, same.stdout)
})

test('imhotep diff --write: validates outside of the transaction that adds, in a file of its own', async (t) => {
  const left = 'create table public.o (id int primary key); create table public.t (o int, n int);'
  const cwd = project(t, {
    'db/migration/V001__a.sql': left,
    'wanted.sql': `${left} alter table public.t add constraint t_n check (n > 0), add foreign key (o) references public.o, alter column o set not null;`,
  })
  const args = ['diff', 'migrations', 'wanted.sql', '--server', await testServer()]

  const one = await runCli([...args, '--no-concurrently', '--sql'], { cwd })
  const written = await runCli([...args, '--write', 'checks', '--json'], { cwd })
  const lint = await runCli(['lint', '--json'], { cwd })

  const { file, fileOutside } = JSON.parse(written.stdout)
  assert.deepEqual(
    [file, fileOutside],
    ['db/migration/V002__checks.sql', 'db/migration/V003__checks_no_transaction.sql'],
  )
  assert.doesNotMatch(readFileSync(join(cwd, file), 'utf8'), /validate|set not null/)
  assert.match(
    readFileSync(join(cwd, fileOutside), 'utf8'),
    /^-- imhotep:no-transaction\nalter table public\.t validate constraint o_not_null_for_now;\nalter table public\.t alter column o set not null;/,
  )
  assert.doesNotMatch(lint.stdout, /validate-under-lock/)
  assert.match(one.stdout, /^-- locks: .*\nalter table public\.t validate constraint t_n;$/m)
})

test('imhotep diff --write: values of an enum are in a file before the one that uses them', async (t) => {
  const cwd = project(t, {
    'db/migration/V001__a.sql': "create type public.k as enum ('x'); create table public.t (k public.k);",
    'wanted.sql': "create type public.k as enum ('x', 'y'); create table public.t (k public.k default 'y');",
  })
  const args = ['diff', 'migrations', 'wanted.sql', '--server', await testServer()]

  const written = await runCli([...args, '--write', 'kinds', '--json'], { cwd })
  const again = await runCli(args, { cwd })

  const { fileBefore, file, fileOutside } = JSON.parse(written.stdout)
  assert.deepEqual(
    [fileBefore, file, fileOutside],
    ['db/migration/V002__kinds_values.sql', 'db/migration/V003__kinds.sql', null],
  )
  assert.equal(again.stdout, 'migrations and wanted.sql are the same schema\n')
})

test('imhotep diff --write: one file when all of it is outside of a transaction', async (t) => {
  const cwd = project(t, {
    'db/migration/V001__a.sql': 'create table public.t (n int);',
    'wanted.sql': 'create table public.t (n int); create index t_n on public.t (n);',
  })
  const args = ['diff', 'migrations', 'wanted.sql', '--write', 'index', '--json', '--server', await testServer()]

  const written = await runCli(args, { cwd })

  const { file, fileOutside } = JSON.parse(written.stdout)
  assert.deepEqual([file, fileOutside], ['db/migration/V002__index.sql', null])
  assert.equal(
    readFileSync(join(cwd, file), 'utf8'),
    '-- imhotep:no-transaction\ncreate index concurrently t_n on public.t (n);\n',
  )
})

test('imhotep drift: finds what was changed by hand, and nothing else', async (t) => {
  await using database = await emptyDatabase()
  const cwd = project(t, {
    'db/migration/V001__a.sql': 'create schema a; create table a.t (x int); grant select on a.t to pg_monitor;',
    'db/migration/V002__b.sql': 'create table a.later ();',
  })
  const env = { DATABASE_URL: database.url }
  const server = ['--server', await testServer()]
  await runCli(['migrate', '--to', '001'], { cwd, env })
  const before = await runCli(['drift', ...server], { cwd, env })
  const db = connect(database.url)
  await db.query('create index by_hand on a.t (x)')
  await db.query('revoke select on a.t from pg_monitor')
  await db.close()

  const after = await runCli(['drift', '--json', ...server], { cwd, env })

  assert.equal(before.code, 0, before.stderr)
  assert.equal(after.code, 1)
  const sql = JSON.parse(after.stdout).statements.map((statement: { sql: string }) => statement.sql)
  assert.deepEqual(sql, ['create index by_hand on a.t (x)', 'revoke select on a.t from pg_monitor'])
})

test('imhotep undo: asks first, then takes the newest version back', async (t) => {
  await using database = await emptyDatabase()
  const cwd = project(t, {
    'db/migration/V001__a.sql': 'create table public.a (x int);',
    'db/migration/V002__b.sql': 'create index a_x on public.a (x);',
  })
  const env = { DATABASE_URL: database.url }
  const server = ['--server', await testServer()]
  await runCli(['migrate'], { cwd, env })

  const unconfirmed = await runCli(['undo', ...server], { cwd, env })
  const dry = await runCli(['undo', '--dry-run', ...server], { cwd, env })
  const done = await runCli(['undo', '--yes', '--json', ...server], { cwd, env })

  assert.deepEqual([unconfirmed.code, dry.code, done.code], [1, 0, 0], `${dry.stderr}${done.stderr}`)
  assert.match(unconfirmed.stderr, /nobody confirmed/)
  assert.match(dry.stdout, /^drop index public\.a_x;$/m)
  const { undone, steps } = JSON.parse(done.stdout)
  assert.deepEqual([undone, steps[0].how], [['002'], 'computed'])
})

test('imhotep squash: writes a baseline beside the versions, once', async (t) => {
  const cwd = project(t, {
    'db/migration/V001__a.sql': 'create table public.a (x int);',
    'db/migration/V002__b.sql': 'insert into public.a values (1);',
  })
  const args = ['squash', '--to', '002', '--server', await testServer()]

  const written = await runCli([...args, '--json'], { cwd })
  const refused = await runCli(args, { cwd })

  const { command, ok, file, versions, rows } = JSON.parse(written.stdout)
  assert.deepEqual(
    [command, ok, file, versions, rows],
    ['squash', true, 'db/migration/B002__squashed.sql', ['001', '002'], 1],
  )
  assert.match(readFileSync(join(cwd, file), 'utf8'), /create table if not exists public\.a \(\n  x integer\n\);/)
  assert.deepEqual([refused.code, /exists/.test(refused.stderr)], [2, true])
})
