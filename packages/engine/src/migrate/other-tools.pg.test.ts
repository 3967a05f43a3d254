import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { runOn } from '../../../../tests/support/logical-server.ts'
import { applyMigrations } from './apply-migrations.ts'
import { AppliedByOtherToolError } from './errors.ts'
import { markBaseline } from './mark-baseline.ts'

const versions = ['20260101120000', '20260201120000', '20260301120000'] as const

/** What each tool keeps when it has applied the first two files. */
const histories: Readonly<Record<string, string>> = {
  Flyway: `create table flyway_schema_history (installed_rank int primary key, version text, description text, success boolean);
    insert into flyway_schema_history values (1, null, '<< Flyway Schema Creation >>', true), (2, '20260101120000', 'a', true),
      (3, '20260201120000', 'b', true), (4, '20260301120000', 'c', false)`,
  goose: `create table goose_db_version (id serial primary key, version_id bigint, is_applied boolean, tstamp timestamp default now());
    insert into goose_db_version (version_id, is_applied) values (0, true), (20260101120000, true), (20260201120000, true),
      (20260301120000, true), (20260301120000, false)`,
  'golang-migrate': `create table schema_migrations (version bigint primary key, dirty boolean not null);
    insert into schema_migrations values (20260201120000, false)`,
  dbmate: `create table schema_migrations (version varchar primary key);
    insert into schema_migrations values ('20260101120000'), ('20260201120000')`,
  sqlx: `create table _sqlx_migrations (version bigint primary key, description text, success boolean, checksum bytea);
    insert into _sqlx_migrations values (20260101120000, 'a', true, ''), (20260201120000, 'b', true, '')`,
  Prisma: `create table _prisma_migrations (id text primary key, migration_name text, finished_at timestamptz, rolled_back_at timestamptz);
    insert into _prisma_migrations values (1, '20260101120000_a', now(), null), (2, '20260201120000_b', now(), null),
      (3, '20260301120000_c', null, now())`,
  Diesel: `create table __diesel_schema_migrations (version varchar(50) primary key, run_on timestamp default now());
    insert into __diesel_schema_migrations values ('20260101120000'), ('20260201120000')`,
  'sql-migrate': `create table gorp_migrations (id text primary key, applied_at timestamptz);
    insert into gorp_migrations values ('20260101120000-a.sql', now()), ('20260201120000-b.sql', now())`,
  'node-pg-migrate': `create table pgmigrations (id serial primary key, name text, run_on timestamp);
    insert into pgmigrations (name, run_on) values ('20260101120000_a', now()), ('20260201120000_b', now())`,
  refinery: `create table refinery_schema_history (version int8 primary key, name text, applied_on text, checksum text);
    insert into refinery_schema_history values (20260101120000, 'a', '', ''), (20260201120000, 'b', '', '')`,
}

const pathOf: Readonly<Record<string, (version: string, name: string) => string>> = {
  Flyway: (version, name) => `V${version}__${name}.sql`,
  'golang-migrate': (version, name) => `${version}_${name}.up.sql`,
  Prisma: (version, name) => `${version}_${name}/migration.sql`,
  Diesel: (version, name) =>
    `${version.slice(0, 4)}-${version.slice(4, 6)}-${version.slice(6, 8)}-120000_${name}/up.sql`,
  'sql-migrate': (version, name) => `${version}-${name}.sql`,
}

const filesOf = (tool: string) =>
  versions.map((version, at) => {
    const name = 'abc'[at] as string
    const path = (pathOf[tool] ?? ((v, n) => `${v}_${n}.sql`))(version, name)
    return { path, text: `create table if not exists ${name} (id int); insert into ${name} values (1)` }
  })

test('migrate: what another tool has applied is not run again, and is taken over by a baseline', async () => {
  for (const [tool, history] of Object.entries(histories)) {
    await using there = await emptyDatabase()
    const files = filesOf(tool)
    await runOn(
      there.url,
      `${files
        .slice(0, 2)
        .map(({ text }) => text)
        .join(';')};${history}`,
    )

    for (const dryRun of [true, false]) {
      await assert.rejects(applyMigrations(there.url, { files, dryRun }), (error: unknown) => {
        assert.ok(error instanceof AppliedByOtherToolError, `${tool}: ${String(error)}`)
        assert.match(error.message, new RegExp(`^${tool} has applied these files up to 20260201120000 `))
        assert.match(error.hint ?? '', /^take its history over with: imhotep migrate --baseline 20260201120000;/)
        return true
      })
    }
    await markBaseline(there.url, '20260201120000', { files })
    const { applied } = await applyMigrations(there.url, { files })

    assert.deepEqual([tool, applied.map(({ version }) => version)], [tool, ['20260301120000']])
    const db = connect(there.url)
    const rows = await db.query('select (select count(*) from a)::int as a, (select count(*) from b)::int as b')
    await db.close()
    assert.deepEqual([tool, rows], [tool, [{ a: 1, b: 1 }]])
  }
})

test('migrate: files that the other tool has left out are named', async () => {
  await using there = await emptyDatabase()
  await runOn(there.url, (histories['dbmate'] as string).replace(`('20260101120000'), `, ''))

  await assert.rejects(applyMigrations(there.url, { files: filesOf('dbmate') }), (error: unknown) => {
    assert.ok(error instanceof AppliedByOtherToolError)
    assert.deepEqual(error.missing, ['20260101120000_a.sql'])
    assert.match(error.hint ?? '', /has not applied '20260101120000_a\.sql': do that with dbmate first/)
    return true
  })
})

test('migrate: a file that failed in the middle is not taken over', async () => {
  await using there = await emptyDatabase()
  await runOn(there.url, (histories['golang-migrate'] as string).replace('false', 'true'))

  await assert.rejects(applyMigrations(there.url, { files: filesOf('golang-migrate') }), (error: unknown) => {
    assert.ok(error instanceof AppliedByOtherToolError)
    assert.deepEqual(error.missing, ['20260201120000_b.up.sql'])
    return true
  })
})

test('migrate: histories of other files, empty ones and tables that only share a name are no reason to stop', async () => {
  const harmless = [
    'create table schema_migrations (version varchar primary key)',
    `create table schema_migrations (version varchar primary key); insert into schema_migrations values ('20250101120000')`,
    `create table schema_migrations (version varchar, patient text); insert into schema_migrations values ('20260101120000', 'x')`,
    `create schema other; create table other.schema_migrations (version varchar primary key);
     insert into other.schema_migrations values ('20260101120000')`,
  ]
  for (const sql of harmless) {
    await using there = await emptyDatabase()
    await runOn(there.url, sql)
    const { applied } = await applyMigrations(there.url, { files: filesOf('dbmate') })
    assert.equal(applied.length, 3, sql)
  }
  await using there = await emptyDatabase()
  await runOn(there.url, histories['dbmate'] as string)
  const { applied } = await applyMigrations(there.url, { files: filesOf('dbmate'), ignoreOtherTools: true })
  assert.equal(applied.length, 3)
})
