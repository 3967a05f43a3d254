import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { applyMigrations } from '../migrate/apply-migrations.ts'
import { MigrationFailedError, MigrationSyntaxError } from '../migrate/errors.ts'
import type { Module } from '../modules/module.ts'
import { applySeeds } from './apply-seeds.ts'
import { SeedGuardError, SeedRefusedError } from './errors.ts'

function moduleWith(seeds: { system?: string; demo?: string }): Module {
  const file = (kind: string, text: string | undefined) =>
    text === undefined ? [] : [{ path: `app/seed/${kind}/010-rows.sql`, band: 10, name: 'rows', text }]
  return {
    name: 'app',
    schema: 'app',
    service: 'app',
    requires: [],
    cycles: [],
    purpose: '',
    directory: '',
    hasReadme: true,
    files: [],
    seeds: { system: file('system', seeds.system), demo: file('demo', seeds.demo) },
  }
}

/** What the core of a real project brings: the marker, and the database's own refusal. */
const V001 = `create table marker (environment text);
  create table t (id int primary key);
  create function core.environment() returns text language sql stable as 'select environment from public.marker';
  create function core.assert_not_production() returns void language plpgsql as
    $$ begin if core.environment() = 'production' then raise exception 'not on production'; end if; end $$`

async function withDatabase(environment: string | null, work: (url: string, database: Database) => Promise<void>) {
  await using empty = await emptyDatabase()
  const database = connect(empty.url)
  try {
    await applyMigrations(empty.url, { files: [{ path: 'V001__a.sql', text: V001 }] })
    if (environment !== null) await database.query('insert into marker values ($1)', [environment])
    await work(empty.url, database)
  } finally {
    await database.close()
  }
}

const rows = 'insert into t values (1) on conflict do nothing'
const demo = [moduleWith({ demo: `select core.assert_not_production();\n${rows}` })]

test('applySeeds: applies a file once, and again when it has changed', () =>
  withDatabase(null, async (url, database) => {
    const first = await applySeeds(url, [moduleWith({ system: rows })], 'system')
    const second = await applySeeds(url, [moduleWith({ system: rows })], 'system')
    const changed = await applySeeds(url, [moduleWith({ system: `${rows};insert into t values (2)` })], 'system')

    assert.deepEqual(
      first.applied.map(({ version, file }) => [version, file]),
      [['seed:system:app/010-rows', 'app/seed/system/010-rows.sql']],
    )
    assert.deepEqual([second.applied.length, second.already, changed.applied.length], [0, 1, 1])
    assert.deepEqual(await database.query('select id from t order by 1'), [{ id: 1 }, { id: 2 }])
    assert.deepEqual(await database.query(`select version from core.schema_migrations where kind = 'seed'`), [
      { version: 'seed:system:app/010-rows' },
    ])
  }))

test('applySeeds: the commit of a seed does not wait for the disk', () =>
  withDatabase(null, async (url, database) => {
    await database.query(`create table commits (waits text)`)
    await database.query(
      `create function note_commit() returns trigger language plpgsql as
       $$ begin insert into public.commits values (current_setting('synchronous_commit')); return null; end $$`,
    )
    await database.query(
      'create constraint trigger at_commit after insert on t deferrable initially deferred for each row execute function note_commit()',
    )

    await applySeeds(url, [moduleWith({ system: rows })], 'system')

    assert.deepEqual(await database.query('select waits from commits'), [{ waits: 'off' }])
  }))

test('applySeeds: the history of migrations does not mind the seeds in between', () =>
  withDatabase(null, async (url) => {
    await applySeeds(url, [moduleWith({ system: rows })], 'system')

    const files = [V001, 'select 1'].map((text, n) => ({ path: `V00${n + 1}__a.sql`, text }))
    const result = await applyMigrations(url, { files })

    assert.deepEqual([result.applied.length, result.already, result.warnings], [1, 1, []])
  }))

test('applySeeds: of four at once all succeed and one applies', () =>
  withDatabase(null, async (url) => {
    const results = await Promise.all([1, 2, 3, 4].map(() => applySeeds(url, [moduleWith({ system: rows })], 'system')))

    assert.deepEqual(
      results.map(({ applied }) => applied.length).toSorted((a, b) => a - b),
      [0, 0, 0, 1],
    )
  }))

test('applySeeds: demo seeds go into a development database', () =>
  withDatabase('development', async (url, database) => {
    const result = await applySeeds(url, demo, 'demo')

    assert.deepEqual([result.environment, result.applied.length], ['development', 1])
    assert.deepEqual(await database.query('select id from t'), [{ id: 1 }])
  }))

for (const environment of ['production', null]) {
  test(`applySeeds: demo seeds are refused when the environment is ${environment}, system seeds are not`, () =>
    withDatabase(environment, async (url, database) => {
      await assert.rejects(applySeeds(url, demo, 'demo'), (error: SeedRefusedError) => {
        assert.deepEqual([error.code, error.environment], ['IMH_SEED_REFUSED', environment])
        assert.match(error.hint ?? '', /imhotep up/)
        return true
      })

      assert.deepEqual(await database.query('select id from t'), [])
      assert.equal((await applySeeds(url, [moduleWith({ system: rows })], 'system')).applied.length, 1)
    }))
}

test('applySeeds: a refusal creates nothing in the database, not even the history', async () => {
  await using empty = await emptyDatabase()
  const database = connect(empty.url)

  await assert.rejects(applySeeds(empty.url, demo, 'demo'), SeedRefusedError)

  assert.deepEqual(await database.query(`select from pg_namespace where nspname = 'core'`), [])
  await database.close()
})

test('applySeeds: the database refuses too when the tool was told something else', () =>
  withDatabase('production', async (url, database) => {
    const lied = applySeeds(url, demo, 'demo', { environmentOf: () => Promise.resolve('development') })

    await assert.rejects(lied, (error: MigrationFailedError) => /not on production/.test(error.message))
    assert.deepEqual(await database.query('select id from t'), [])
  }))

test('applySeeds: refuses a demo file that does not start with the guard', () =>
  withDatabase('development', async (url) => {
    await assert.rejects(applySeeds(url, [moduleWith({ demo: rows })], 'demo'), (error: SeedGuardError) => {
      assert.deepEqual(error.files, ['app/seed/demo/010-rows.sql'])
      assert.match(error.hint ?? '', /select core\.assert_not_production\(\);/)
      return true
    })
  }))

test('applySeeds: a file that fails leaves no row, and says where', () =>
  withDatabase(null, async (url, database) => {
    const twice = [moduleWith({ system: 'insert into t values (5);\ninsert into t values (5)' })]

    await assert.rejects(applySeeds(url, twice, 'system'), (error: MigrationFailedError) => {
      assert.deepEqual([error.file, error.line, error.sqlstate], ['app/seed/system/010-rows.sql', 2, '23505'])
      return true
    })
    await assert.rejects(applySeeds(url, [moduleWith({ system: 'insrt' })], 'system'), MigrationSyntaxError)

    assert.deepEqual(await database.query('select id from t'), [])
  }))

/** A module with one seed. */
function systemSeed(name: string, requires: string[], text: string): Module {
  const file = { path: `${name}/seed/system/010-rows.sql`, band: 10, name: 'rows', text }
  return { ...moduleWith({}), name, requires, seeds: { system: [file], demo: [] } }
}

test('applySeeds: files that need not wait for each other run at the same time, others do not', () =>
  withDatabase(null, async (url, database) => {
    await database.query('create table met (name text primary key)')
    // each of the two ends only when it has seen the other
    const meet = (own: string, other: string) => `select pg_advisory_lock_shared(hashtext('${own}'));
      do $$ begin
        for n in 1..1000 loop
          exit when exists (select from pg_locks where locktype = 'advisory' and objid = hashtext('${other}')::bigint & 4294967295);
          perform pg_sleep(0.01);
          if n = 1000 then raise exception '${own} is alone'; end if;
        end loop;
      end $$;
      insert into met values ('${own}')`
    const modules = [
      systemSeed('a', [], meet('a', 'b')),
      systemSeed('b', [], meet('b', 'a')),
      systemSeed('c', ['a', 'b'], `insert into met select 'c' from met having count(*) = 2`),
    ]

    const { applied } = await applySeeds(url, modules, 'system')

    assert.deepEqual(await database.query('select name from met order by 1'), [
      { name: 'a' },
      { name: 'b' },
      { name: 'c' },
    ])
    assert.equal(applied.at(-1)?.file, 'c/seed/system/010-rows.sql')
  }))

test('applySeeds: of two files that wait for each other the server stops one, and it runs again', () =>
  withDatabase(null, async (url, database) => {
    await database.query('create sequence tries')
    const crossing = (own: number, other: number) => `set local deadlock_timeout = '20ms';
      select nextval('tries'), pg_advisory_xact_lock(${own});
      do $$ begin
        for n in 1..1000 loop
          exit when exists (select from pg_locks where locktype = 'advisory' and objid = ${other} and granted)
            or (select last_value from tries) > 2;
          perform pg_sleep(0.01);
        end loop;
      end $$;
      select pg_advisory_xact_lock(${other});
      insert into t values (${own})`
    const modules = [systemSeed('a', [], crossing(1, 2)), systemSeed('b', [], crossing(2, 1))]

    const { applied } = await applySeeds(url, modules, 'system')

    assert.equal(applied.length, 2)
    assert.deepEqual(await database.query('select id from t order by 1'), [{ id: 1 }, { id: 2 }])
    assert.deepEqual(await database.query(`select nextval('tries')::int as n`), [{ n: 4 }])
  }))

test('applySeeds: a failure lets what runs beside it end, and starts nothing more', () =>
  withDatabase(null, async (url, database) => {
    const modules = [
      systemSeed('a', [], 'select pg_sleep(0.3); insert into t values (1)'),
      systemSeed('b', [], 'select 1/0'),
      systemSeed('c', ['a'], 'insert into t values (2)'),
    ]

    await assert.rejects(
      applySeeds(url, modules, 'system'),
      (error: MigrationFailedError) => error.sqlstate === '22012',
    )

    assert.deepEqual(await database.query('select id from t'), [{ id: 1 }])
  }))
