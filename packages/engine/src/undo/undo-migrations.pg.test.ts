import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyDatabase, testServer } from '../../../../tests/support/database.ts'
import { compareCatalogs } from '../catalog/compare.ts'
import { readLive, runOn, withScratch } from '../diff/scratch.ts'
import { applyMigrations } from '../migrate/apply-migrations.ts'
import { undoMigrations, type UndoOptions, type UndoResult } from './undo-migrations.ts'

const V1 = {
  path: 'V001__start.sql',
  text: `create schema shop;
    create table shop.goods (id int primary key, name text not null, price numeric(9,2) default 0);
    create view shop.cheap as select id, name from shop.goods where price < 10;`,
}
const V2 = {
  path: 'V002__orders.sql',
  text: `create table shop.orders (id bigint generated always as identity primary key, good int references shop.goods (id));
    create index on shop.orders (good);
    alter table shop.goods add column kept_since date default current_date;
    create function shop.total(good int) returns numeric language sql stable as 'select count(*) from shop.orders where orders.good = total.good';
    comment on table shop.orders is 'who wants what';`,
}
const V3 = {
  path: 'V003__safety.sql',
  text: `drop view shop.cheap;
    alter table shop.goods alter column price type numeric(12,4), alter column name drop not null;
    alter table shop.orders enable row level security;
    create policy everybody on shop.orders using (true);
    grant select on shop.goods to pg_monitor;
    insert into shop.goods values (1, 'tea') on conflict do nothing;`,
}
const HISTORY = [V1, V2, V3]

async function undo(url: string, options: Omit<UndoOptions, 'scratch'>): Promise<UndoResult> {
  return withScratch(await testServer(), (scratch) => undoMigrations(url, { files: HISTORY, ...options, scratch }))
}

test('undoMigrations: latest, everything taken back, latest again is the same schema', async () => {
  await using database = await emptyDatabase()
  const { url } = database
  await applyMigrations(url, { files: HISTORY, to: '001' })
  const first = await readLive(url)
  await applyMigrations(url, { files: HISTORY })
  const latest = await readLive(url)

  const back = await undo(url, { to: '1', allowDataLoss: true })
  const afterUndo = await readLive(url)
  const again = await applyMigrations(url, { files: HISTORY })

  assert.deepEqual(back.undone, ['003', '002'])
  assert.deepEqual(compareCatalogs(first, afterUndo), [])
  assert.deepEqual(
    again.applied.map(({ version }) => version),
    ['002', '003'],
  )
  assert.deepEqual(compareCatalogs(latest, await readLive(url)), [])
})

test('undoMigrations: says what it would do, and that rows are lost, before it does', async () => {
  await using database = await emptyDatabase()
  const { url } = database
  await applyMigrations(url, { files: HISTORY, to: '002' })

  const { steps, undone } = await undo(url, { dryRun: true })

  assert.deepEqual(undone, [])
  assert.deepEqual(
    steps.map(({ version, how }) => [version, how]),
    [['002', 'computed']],
  )
  const lost = steps[0]?.statements.filter(({ hazard }) => hazard === 'data loss').map(({ sql }) => sql)
  assert.deepEqual(lost, ['alter table shop.goods drop column kept_since', 'drop table shop.orders'])
  await assert.rejects(undo(url, {}), { code: 'IMH_UNDO_DATA_LOSS' })
  assert.ok((await readLive(url)).tables.has('shop.orders'))
})

test('undoMigrations: an undo file comes before what could be computed', async () => {
  await using database = await emptyDatabase()
  const { url } = database
  const files = [V1, V2, { path: 'U002__orders.sql', text: 'drop function shop.total; drop table shop.orders;' }]
  await applyMigrations(url, { files })

  const { undone } = await undo(url, { files })

  assert.deepEqual(undone, ['002'])
  const catalog = await readLive(url)
  assert.deepEqual(
    [catalog.tables.has('shop.orders'), catalog.tables.get('shop.goods')?.columns.has('kept_since')],
    [false, true],
  )
})

test('undoMigrations: an undo file that fails leaves the version and its record', async () => {
  await using database = await emptyDatabase()
  const { url } = database
  const files = [V1, V2, { path: 'U002__orders.sql', text: 'drop function shop.total; drop table shop.missing;' }]
  await applyMigrations(url, { files })

  await assert.rejects(undo(url, { files }), /missing/)

  assert.equal((await readLive(url)).functions.size, 1)
  assert.equal((await applyMigrations(url, { files })).already, 2)
})

test('undoMigrations: on production only an undo file, and only when that is said', async () => {
  await using database = await emptyDatabase()
  const { url } = database
  const files = [
    V1,
    { path: 'V002__x.sql', text: 'create table shop.x ()' },
    { path: 'U002__x.sql', text: 'drop table shop.x' },
  ]
  await applyMigrations(url, { files })
  const environmentSql = "select 'production'"

  await assert.rejects(undo(url, { files, environmentSql }), { code: 'IMH_UNDO_REFUSED' })
  await assert.rejects(undo(url, { files: files.slice(0, 2), environmentSql, onProduction: true }), {
    code: 'IMH_UNDO_REFUSED',
  })
  const { undone } = await undo(url, { files, environmentSql, onProduction: true })

  assert.deepEqual(undone, ['002'])
})

test('undoMigrations: takes the first version back as well, and leaves what somebody else made', async () => {
  await using database = await emptyDatabase()
  const { url } = database
  await applyMigrations(url, { files: [V1] })
  await runOn(url, 'create schema other; create table other.t ()')

  await undo(url, { files: [V1], to: '0', allowDataLoss: true })

  const catalog = await readLive(url)
  assert.deepEqual([...catalog.tables.keys()], ['core.schema_migrations', 'other.t'])
  assert.deepEqual([...catalog.schemas.keys()], ['core', 'other', 'public'])
})

test('undoMigrations: files that say both ways go there and back, without a transaction where they say so', async () => {
  await using database = await emptyDatabase()
  const { url } = database
  const files = [
    {
      path: '001_wards.sql',
      text: '-- +goose Up\ncreate table wards (name text);\n-- +goose Down\ndrop table wards;\n',
    },
    {
      path: '002_names.sql',
      text: '-- migrate:up transaction:false\ncreate index concurrently names on wards (name);\n-- migrate:down\ndrop index names;\n',
    },
    {
      path: '003_beds.sql',
      text: '-- Up Migration\ncreate table beds (id int primary key);\n-- Down Migration\ndrop table beds;\n',
    },
  ]
  await applyMigrations(url, { files })
  const latest = await readLive(url)
  assert.deepEqual([...latest.tables.keys()], ['core.schema_migrations', 'public.beds', 'public.wards'])

  const { steps } = await undo(url, { files, to: '001' })
  const back = await readLive(url)
  await applyMigrations(url, { files })

  assert.deepEqual(
    steps.map(({ version, how }) => [version, how]),
    [
      ['003', 'undo file'],
      ['002', 'undo file'],
    ],
  )
  assert.deepEqual([...back.tables.keys()], ['core.schema_migrations', 'public.wards'])
  assert.equal(back.tables.get('public.wards')?.indexes.size, 0)
  assert.deepEqual(compareCatalogs(latest, await readLive(url)), [])
})

test('undoMigrations: a partition that a version made goes with it', async () => {
  await using database = await emptyDatabase()
  const { url } = database
  const files = [
    { path: 'V001__visits.sql', text: 'create table visits (day date not null) partition by range (day)' },
    {
      path: 'V002__year.sql',
      text: `create table visits_2026 partition of visits for values from ('2026-01-01') to ('2027-01-01')`,
    },
  ]
  await applyMigrations(url, { files })

  await assert.rejects(undo(url, { files }), { code: 'IMH_UNDO_DATA_LOSS' })
  await undo(url, { files, allowDataLoss: true })

  assert.equal((await readLive(url)).tables.has('public.visits_2026'), false)
  await applyMigrations(url, { files })
})

test('undoMigrations: texts that are too long stop it, numbers that would be rounded have to be allowed', async () => {
  await using database = await emptyDatabase()
  const { url } = database
  const wider = { path: 'V002__wider.sql', text: 'alter table notes alter note type varchar(50)' }
  const files = [{ path: 'V001__notes.sql', text: 'create table notes (note varchar(5), price numeric(9,2))' }, wider]
  await applyMigrations(url, { files })
  await runOn(url, `insert into notes values ('abcdefghij', 1.23)`)

  await assert.rejects(undo(url, { files }), { code: 'IMH_MIGRATION_FAILED', sqlstate: '22001' })
  await runOn(url, `update notes set note = 'abc'`)
  await undo(url, { files })
  wider.text = 'alter table notes alter price type numeric(12,4)'
  await applyMigrations(url, { files })

  await assert.rejects(undo(url, { files }), { code: 'IMH_UNDO_DATA_LOSS' })
})
