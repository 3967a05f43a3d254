import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { compareCatalogs } from './compare.ts'
import { CatalogLockedError } from './errors.ts'
import { readCatalog, readCatalogInside } from './live.ts'
import { readDetails } from './read-details.ts'

async function withDatabase<T>(sql: string, work: (db: Database) => Promise<T>): Promise<T> {
  await using database = await emptyDatabase()
  const db = connect(database.url)
  try {
    const connection = await db.dedicated()
    await connection.script(sql)
    const result = await work(db)
    await connection.release()
    return result
  } finally {
    await db.close()
  }
}

test('readCatalog: leaves out what belongs to PostgreSQL, to extensions and to one session', async () => {
  const sql =
    'create extension citext; create schema a; create temp table gone (x int); create table a.t (x public.citext)'

  const catalog = await withDatabase(sql, (db) => readCatalog(db))

  assert.deepEqual([...catalog.tables.keys()], ['a.t'])
  assert.deepEqual([...catalog.functions.keys(), ...catalog.types.keys(), ...catalog.views.keys()], [])
  assert.deepEqual([...catalog.schemas.keys()], ['a', 'public'])
  assert.deepEqual([...catalog.extensions.keys()], ['citext', 'plpgsql'])
})

test('readCatalog: prints names with their schema whatever the search path is', async () => {
  const sql = `create schema a; create type a.k as enum ('x'); create table a.t (k a.k default 'x');
    do $$ begin execute format('alter database %I set search_path = a', current_database()); end $$`

  const catalog = await withDatabase(sql, (db) => readCatalog(db))

  const column = catalog.tables.get('a.t')?.columns.get('k')
  assert.deepEqual([column?.type, column?.default], ['a.k', "'x'::a.k"])
})

const BASE = `
  create schema a;
  create type a.k as enum ('x', 'y');
  create function a.f() returns trigger language plpgsql as $$ begin return new; end $$;
  create table a.o (id int primary key);
  create table a.t (tenant_id uuid, x int not null default 1, k a.k, o int, constraint t_x_check check (x > 0));
  create index t_i on a.t (x);
  alter table a.t add constraint t_o foreign key (o) references a.o (id);
  alter table a.t enable row level security;
  alter table a.t force row level security;
  create policy p on a.t using (tenant_id is not null) with check (tenant_id is not null);
  create trigger g before update on a.t for each row execute function a.f();
  create view a.v with (security_invoker = true) as select x from a.t;
  grant select on a.t to pg_monitor;
  comment on table a.t is 'c';`

/** A change, and the one difference that it must make. */
const CHANGES: [sql: string, object: string, property: string | null][] = [
  ['alter table a.t no force row level security', 'table a.t', 'rlsForced'],
  ['alter table a.t disable row level security', 'table a.t', 'rlsEnabled'],
  ["comment on table a.t is 'd'", 'table a.t', 'comment'],
  ['grant insert on a.t to pg_monitor', 'table a.t', 'grants'],
  ['alter table a.t owner to pg_monitor', 'table a.t', 'owner'],
  ["comment on column a.t.x is 'd'", 'column a.t.x', 'comment'],
  ['alter table a.t alter column x set default 2', 'column a.t.x', 'default'],
  ['alter table a.t alter column x drop not null', 'column a.t.x', 'notNull'],
  ['alter table a.t add column y int', 'column a.t.y', null],
  ['drop policy p on a.t', 'policy p on a.t', null],
  ['alter policy p on a.t with check (true)', 'policy p on a.t', 'withCheck'],
  ['alter policy p on a.t to pg_monitor', 'policy p on a.t', 'roles'],
  ['alter table a.t disable trigger g', 'trigger g on a.t', 'enabled'],
  ['drop trigger g on a.t', 'trigger g on a.t', null],
  ['drop index a.t_i', 'index t_i on a.t', null],
  ['alter table a.t drop constraint t_x_check', 'constraint t_x_check on a.t', null],
  ['alter table a.t alter constraint t_o deferrable', 'constraint t_o on a.t', 'definition'],
  ["alter type a.k add value 'z'", 'type a.k', 'labels'],
  ['alter view a.v set (security_invoker = false)', 'view a.v', 'securityInvoker'],
  [
    'create or replace view a.v with (security_invoker = true) as select x from a.t where x > 1',
    'view a.v',
    'definition',
  ],
  ["alter function a.f() set search_path = ''", 'function a.f()', 'settings'],
  ['alter function a.f() security definer', 'function a.f()', 'securityDefiner'],
  ['revoke execute on function a.f() from public', 'function a.f()', 'grants'],
  ['create schema b', 'schema b', null],
  ['create sequence a.s', 'sequence a.s', null],
  ['create extension citext', 'extension citext', null],
]

class Undo extends Error {}

test('compareCatalogs: each change of a live schema is found, and nothing else', async () => {
  await withDatabase(BASE, async (db) => {
    const before = await readCatalog(db)
    for (const [sql, object, property] of CHANGES) {
      const found: [string, string | null][] = []
      const tried = db.transaction(async (tx) => {
        await tx.query(sql)
        const differences = compareCatalogs(before, await readCatalogInside(tx))
        found.push(
          ...differences.map((difference): [string, string | null] => [difference.object, difference.property]),
        )
        throw new Undo()
      })
      await assert.rejects(tried, Undo)

      assert.ok(
        found.some(([a, b]) => a === object && b === property),
        `${sql}: ${JSON.stringify(found)}`,
      )
      assert.deepEqual([...new Set(found.map(([a]) => a))], [object], sql)
    }
  })
})

test('compareCatalogs: a schema equals itself', async () => {
  await withDatabase(BASE, async (db) => {
    assert.deepEqual(compareCatalogs(await readCatalog(db), await readCatalog(db)), [])
  })
})

test('readCatalog: reads again when a view is dropped while it reads', async () => {
  const catalog = await withDatabase('create table t (x int); create view v as select x from t', async (db) => {
    const dropping = await db.dedicated()
    await dropping.script('begin; drop table public.t cascade')
    const reading = readCatalog(db)
    for (let waiting = 0; waiting === 0;)
      [{ waiting = 0 } = {}] = await dropping.query<{ waiting: number }>(
        `select count(*)::int as waiting from pg_locks l join pg_database d on d.oid = l.database
        where d.datname = current_database() and not l.granted`,
      )
    await dropping.script('commit')
    await dropping.release()
    return reading
  })

  assert.deepEqual([...catalog.tables.keys(), ...catalog.views.keys()], [])
})

const LOCKED = `create table public.t (x int); create view public.v as select x from public.t`

test('readCatalog: says who holds a view for longer than it waits, and that it could not tell', async () => {
  await withDatabase(LOCKED, async (db) => {
    const holder = await db.dedicated()
    await holder.script(`set application_name = 'long job'; begin; lock table public.v in access exclusive mode`)

    const reading = readCatalog(db, { lockTimeout: '100ms' })

    await assert.rejects(reading, (error) => {
      assert.ok(error instanceof CatalogLockedError)
      assert.deepEqual([error.code, error.exitCode, error.pid], ['IMH_CATALOG_LOCKED', 2, holder.pid])
      assert.match(error.message, /'public\.[tv]' is held by pid \d+, 'long job', since \S+, waited 100ms$/)
      return true
    })
    await holder.release()
  })
})

test('readCatalog: says who asks for a view before it, behind somebody who uses it', async () => {
  await withDatabase(LOCKED, async (db) => {
    const [user, asking, watching] = [await db.dedicated(), await db.dedicated(), await db.dedicated()]
    await user.script('begin; select from public.v')
    const altering = asking.script('alter view public.v rename to w')
    const waits = `select from pg_locks where not granted and pid = ${asking.pid}`
    while ((await watching.query(waits)).length === 0);

    const reading = readCatalog(db, { lockTimeout: '100ms' })

    await assert.rejects(reading, (error) => error instanceof CatalogLockedError && error.pid === asking.pid)
    await user.script('rollback')
    await altering
    for (const connection of [user, asking, watching]) await connection.release()
  })
})

test('readCatalogInside: has a limit of its own, and gives that of the transaction back', async () => {
  await withDatabase(LOCKED, (db) =>
    db.transaction(async (tx) => {
      await tx.query(`set local lock_timeout = '77s'`)

      await readCatalogInside(tx)

      assert.deepEqual(await tx.query('show lock_timeout'), [{ lock_timeout: '77s' }])
    }),
  )
})

test('readCatalog: options that its reader may not see are no difference, and no value is in it', async () => {
  const sql = `create foreign data wrapper w; create server far foreign data wrapper w options (password 'hush-1');
    create user mapping for public server far options (password 'hush-2');
    create schema a; create foreign table a.remote (x int options (token 'hush-3')) server far options (secret 'hush-4')`
  await withDatabase(sql, (db) =>
    db.transaction(async (tx) => {
      const all = await readCatalogInside(tx)
      await tx.query('set local role pg_monitor')

      const seen = await readCatalogInside(tx)

      assert.deepEqual(compareCatalogs(all, seen), [])
      assert.doesNotMatch(JSON.stringify([...all.others.values()]), /hush/)
    }),
  )
  const details = await withDatabase(sql, readDetails)
  assert.doesNotMatch(JSON.stringify(details), /hush/)
})
