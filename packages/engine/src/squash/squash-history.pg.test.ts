import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { emptyDatabase, testServer } from '../../../../tests/support/database.ts'
import { compareCatalogs } from '../catalog/compare.ts'
import { readLive, withScratch } from '../diff/scratch.ts'
import { applyMigrations } from '../migrate/apply-migrations.ts'
import { migrationStatus } from '../migrate/migration-status.ts'
import { WORKSHOP } from '../print/workshop.fixture.ts'
import { SquashDiffersError, SquashRefusedError } from './errors.ts'
import { squashHistory } from './squash-history.ts'

const HISTORY = [
  { path: 'V001__workshop.sql', text: WORKSHOP },
  {
    path: 'V002__rows.sql',
    text: `alter table shop.counted add column made timestamptz default '2020-01-01 00:00:00+00';
      insert into shop.base (x, y) values (1, 'it''s'), (2, null);
      insert into shop.counted (b, c) overriding user value values (7, 'x'), (8, 'y');`,
  },
  { path: 'V003__later.sql', text: "create table shop.later (x int); insert into shop.counted (c) values ('z');" },
]

const ROWS = `select (select json_agg(b order by b.x) from shop.base b) as base,
  (select json_agg(c order by c.a) from shop.counted c) as counted`

async function contents(url: string): Promise<unknown> {
  const db = connect(url, { max: 1 })
  try {
    return await db.query(ROWS)
  } finally {
    await db.close()
  }
}

test('squashHistory: a new database gets the same schema and rows from the baseline as from the versions', async () => {
  await using long = await emptyDatabase()
  await using short = await emptyDatabase()
  const { file, text, versions } = await withScratch(await testServer(), (scratch) =>
    squashHistory({ files: HISTORY, to: '2', scratch }),
  )
  const files = [...HISTORY, { path: file, text }]

  await applyMigrations(long.url, { files: HISTORY })
  const { applied } = await applyMigrations(short.url, { files })

  assert.deepEqual([file, versions], ['B002__squashed.sql', ['001', '002']])
  assert.deepEqual(
    applied.map((own) => own.file),
    ['B002__squashed.sql', 'V003__later.sql'],
  )
  assert.deepEqual(compareCatalogs(await readLive(long.url), await readLive(short.url)), [])
  assert.deepEqual(await contents(short.url), await contents(long.url))
})

const squashOf = async (text: string) =>
  withScratch(await testServer(), (scratch) =>
    squashHistory({ files: [{ path: 'V001__a.sql', text }], to: '001', scratch }),
  )

test('squashHistory: what a server gives the name of alone is refused with its names and the way out', async () => {
  const squashing = squashOf(`create collation public.ci (provider = icu, locale = 'und', deterministic = false);
    create text search configuration public.own (copy = pg_catalog.german);
    create conversion public.latin for 'LATIN1' to 'UTF8' from pg_catalog.iso8859_1_to_utf8;
    create table public.t (n text collate public.ci);`)

  await assert.rejects(squashing, (error) => {
    assert.ok(error instanceof SquashRefusedError)
    assert.deepEqual(error.objects, ['text search configuration public.own', 'conversion public.latin'])
    assert.match(
      `${error.message} ${error.hint}`,
      /B001__squashed\.sql would lack .*conversion public\.latin.* by hand/,
    )
    return true
  })
})

test('squashHistory: a file that would make something else is refused with what it loses', async () => {
  const squashing = squashOf(`create table public.t (n tsvector, a int, b int);
    create index t_n on public.t using gist (n tsvector_ops (siglen = '64'));
    create statistics public.s on a, b from public.t;
    alter statistics public.s set statistics 500;`)

  await assert.rejects(squashing, (error) => {
    assert.ok(error instanceof SquashDiffersError)
    assert.deepEqual(error.objects.toSorted(), [
      'index key public.t_n (1: siglen=64) is lost',
      'statistics public.s (target 500) is lost',
    ])
    return true
  })
})

test('squashHistory: a file that would lack rows is refused with the tables that they are in', async () => {
  const squashing = squashOf('create table public.marks (); insert into public.marks default values;')

  await assert.rejects(squashing, (error) => {
    assert.ok(error instanceof SquashDiffersError)
    assert.deepEqual(error.objects, ['rows of table public.marks are other ones'])
    return true
  })
})

test('squashHistory: a file that does not run on a new database is refused', async () => {
  const squashing = squashOf(`create function public.f() returns text language internal immutable as 'current_user';
    update pg_catalog.pg_proc set prosrc = 'no_such_function' where proname = 'f' and prosrc = 'current_user';`)

  await assert.rejects(
    squashing,
    (error) => error instanceof SquashDiffersError && /does not run .*no_such_function/.test(error.message),
  )
})

test('squashHistory: a database that has the versions ignores the baseline, also when their files are gone', async () => {
  await using database = await emptyDatabase()
  const { url } = database
  const history = [
    { path: 'V001__a.sql', text: 'create table a ()' },
    { path: 'V002__b.sql', text: 'create table b ()' },
  ]
  const baseline = { path: 'B002__squashed.sql', text: 'create table a (); create table b ();' }
  const next = { path: 'V003__c.sql', text: 'create table c ()' }
  await applyMigrations(url, { files: history })

  const beside = await applyMigrations(url, { files: [...history, baseline] })
  const instead = await applyMigrations(url, { files: [baseline, next] })

  assert.deepEqual([beside.applied, beside.pending], [[], 0])
  assert.deepEqual(
    instead.applied.map(({ version }) => version),
    ['003'],
  )
})

test('squashHistory: a database that lacks versions whose files are gone is not taken past them', async () => {
  await using database = await emptyDatabase()
  const { url } = database
  const first = { path: 'V001__a.sql', text: 'create table a ()' }
  const second = { path: 'V002__b.sql', text: 'create table b ()' }
  const baseline = { path: 'B002__squashed.sql', text: 'create table a (); create table b ();' }
  const next = { path: 'V003__c.sql', text: 'create table c ()' }
  await applyMigrations(url, { files: [first] })

  await assert.rejects(applyMigrations(url, { files: [baseline, next] }), { code: 'IMH_MIGRATION_SQUASHED' })
  const { versions } = await migrationStatus(url, { files: [baseline, next] })
  const bridged = await applyMigrations(url, { files: [second, baseline, next] })

  assert.deepEqual(
    versions.map(({ file, state }) => [file, state]),
    [
      ['B002__squashed.sql', 'missing'],
      ['V003__c.sql', 'pending'],
    ],
  )
  assert.deepEqual(
    bridged.applied.map(({ version }) => version),
    ['002', '003'],
  )
})

test('squashHistory: a database that began with the baseline never runs what it stands for', async () => {
  await using database = await emptyDatabase()
  const { url } = database
  const files = [
    { path: 'V001__a.sql', text: 'create table a ()' },
    { path: 'B001__squashed.sql', text: 'create table a (x int)' },
  ]
  await applyMigrations(url, { files })

  const again = await applyMigrations(url, { files })
  const { versions } = await migrationStatus(url, { files })

  assert.deepEqual([again.applied, again.already, again.pending], [[], 1, 0])
  assert.deepEqual(
    versions.map(({ file, state }) => [file, state]),
    [['B001__squashed.sql', 'applied']],
  )
})

test('applyMigrations: a version before the baseline can still be reached by the versions themselves', async () => {
  await using database = await emptyDatabase()
  const files = [
    { path: 'V001__a.sql', text: 'create table a ()' },
    { path: 'V002__b.sql', text: 'create table b ()' },
    { path: 'B002__squashed.sql', text: 'create table a (); create table b ();' },
  ]

  const { applied } = await applyMigrations(database.url, { files, to: '001' })

  assert.deepEqual(
    applied.map(({ file }) => file),
    ['V001__a.sql'],
  )
})
