import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { runOn } from '../../../../tests/support/logical-server.ts'
import type { Key, MovedTable } from '../model.ts'
import type { Chunk, CopyFormat } from '../side.ts'
import { openServiceDatabase } from './open-postgres-side.ts'
import { digestOf, twoDatabases, type TwoDatabases } from './two-databases.fixture.ts'

const tableOf = ({ tables }: TwoDatabases, name: string) =>
  tables.find(({ source }) => source.name === name) as MovedTable

/** Definitions of the primary keys and other constraints that the service's tables have now. */
async function constraints({ serviceDb }: TwoDatabases): Promise<string[]> {
  const rows = await serviceDb.query<{ text: string }>(
    `select conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) as text from pg_constraint
      where contype <> 'n' and connamespace = 'public'::regnamespace order by 1`,
  )
  return rows.map(({ text }) => text)
}

async function load(two: TwoDatabases, table: MovedTable, chunks: number, format: CopyFormat = 'text'): Promise<void> {
  const snapshot = await two.source.snapshot([table], { exact: false })
  let { last }: { last: Key | null } = await two.target.loaded(table)
  for (let n = 0; n < chunks; n++) {
    const chunk = await snapshot.chunk(table, last, 10, format)
    await two.target.load(table, chunk)
    last = chunk.last
    if (last === null) break
  }
  await snapshot.close()
}

test('load: a primary key goes before the first chunk and is there again behind the last, whoever loads it', async () => {
  await using two = await twoDatabases(
    `create table notes (tenant int, id bigint, body text, constraint notes_key primary key (tenant, id) include (body));
     create table parents (id int primary key);
     create table children (id int primary key, parent int references parents);
     create table parts (id int primary key) partition by hash (id);
     create table parts_0 partition of parts for values with (modulus 1, remainder 0);`,
    {
      rows: `insert into notes select 1, n, 'n' || n from generate_series(1, 25) n; insert into parents values (1); insert into parts values (1)`,
    },
  )
  const before = await constraints(two)
  const notes = tableOf(two, 'notes')

  await load(two, notes, 2)
  const between = await constraints(two)
  // another process goes on
  const next = await openServiceDatabase(two.service.url)
  await load({ ...two, target: next }, notes, 2)
  await next.close()
  for (const name of ['parents', 'parts']) await load(two, tableOf(two, name), 1)
  const needed = await constraints(two)
  for (const name of ['parents', 'parts']) await load(two, tableOf(two, name), 1)

  assert.deepEqual(
    before.filter((one) => !between.includes(one)),
    ['notes notes_key PRIMARY KEY (tenant, id) INCLUDE (body)'],
  )
  // a foreign key needs it, or it is that of partitions as well
  assert.deepEqual(needed, before)
  assert.deepEqual(await constraints(two), before)
  assert.deepEqual(await digestOf(two.target, [notes]), await digestOf(two.source, [notes]))
})

test('load: a key that the rows break is told when it is made, and the last chunk is not noted', async () => {
  await using two = await twoDatabases('create table notes (id int primary key)', {
    rows: 'insert into notes select generate_series(1, 5)',
  })
  const notes = tableOf(two, 'notes')
  await load(two, notes, 1)
  await two.serviceDb.query('insert into notes values (3)')

  await assert.rejects(load(two, notes, 1), { sqlstate: '23505' })

  assert.deepEqual(await two.target.loaded(notes), { rows: 5, last: ['5'], complete: false })
})

/** All chunks of ten rows, the one without rows last. */
async function chunksOf({ source }: TwoDatabases, table: MovedTable): Promise<Chunk[]> {
  const snapshot = await source.snapshot([table], { exact: false })
  const chunks: Chunk[] = []
  for (let last: Key | null = null; chunks.at(-1)?.rows !== 0; last = chunks.at(-1)?.last ?? null) {
    chunks.push(await snapshot.chunk(table, last, 10))
  }
  await snapshot.close()
  return chunks
}

const states = (results: readonly PromiseSettledResult<void>[]) => results.map(({ status }) => status)

test('load: the rows of a chunk go in while an earlier one is under way, and are there behind it', async () => {
  await using two = await twoDatabases('create table notes (id int primary key)', {
    rows: 'insert into notes select generate_series(1, 25)',
  })
  const notes = tableOf(two, 'notes')
  const [first, second, third, end] = (await chunksOf(two, notes)) as [Chunk, Chunk, Chunk, Chunk]
  await two.target.load(notes, first)
  const blocker = await two.serviceDb.dedicated()
  await blocker.script('begin; select from imhotep_split.loaded for update')

  const loads = Promise.all([second, third, end].map((chunk) => two.target.load(notes, chunk)))
  const copied = `select count(*)::int as n from pg_stat_activity
                   where datname = current_database() and query like 'copy %' and state = 'idle in transaction'`
  while ((await two.serviceDb.query<{ n: number }>(copied))[0]?.n !== 1) await sleep(5)
  const before = await two.target.loaded(notes)
  await blocker.script('commit')
  await blocker.release()
  await loads

  assert.deepEqual(before, { rows: 10, last: ['10'], complete: false })
  assert.deepEqual(await two.target.loaded(notes), { rows: 25, last: ['25'], complete: true })
  assert.deepEqual(await digestOf(two.target, [notes]), await digestOf(two.source, [notes]))
})

test('load: behind a chunk that is refused nothing goes in, and all of it can be loaded again', async () => {
  await using two = await twoDatabases('create table notes (id int primary key)', {
    rows: 'insert into notes select generate_series(1, 35)',
  })
  const notes = tableOf(two, 'notes')
  const [first, second, ...others] = (await chunksOf(two, notes)) as [Chunk, Chunk, ...Chunk[]]
  await two.target.load(notes, first)

  const refused = [{ ...second, data: Buffer.from('no number\n') }, ...others]
  const results = await Promise.allSettled(refused.map((chunk) => two.target.load(notes, chunk)))
  const left = await two.target.loaded(notes)
  await Promise.all([second, ...others].map((chunk) => two.target.load(notes, chunk)))

  assert.deepEqual(states(results), ['rejected', 'rejected', 'rejected', 'rejected'])
  assert.deepEqual(left, { rows: 10, last: ['10'], complete: false })
  assert.deepEqual(await digestOf(two.target, [notes]), await digestOf(two.source, [notes]))
})

test('load: a key that stays makes chunks wait for each other, so that the same key in two of them is an error', async () => {
  await using two = await twoDatabases(
    'create table notes (id int primary key); create table lines (id int primary key, note int references notes)',
    { rows: 'insert into notes select generate_series(1, 25)' },
  )
  const notes = tableOf(two, 'notes')
  const [first, second, third] = (await chunksOf(two, notes)) as [Chunk, Chunk, Chunk]
  await two.target.load(notes, first)
  // the third one would be in first, and each would wait for the other
  await runOn(
    two.service.url,
    `create function pause() returns trigger language plpgsql as 'begin if new.id = 11 then perform pg_sleep(0.3); end if; return new; end';
     create trigger pause before insert on notes for each row execute function pause();
     alter table notes enable always trigger pause`,
  )

  const withMore = { ...second, data: Buffer.concat([second.data, Buffer.from('25\n')]) }
  const results = await Promise.allSettled([withMore, third].map((chunk) => two.target.load(notes, chunk)))

  assert.deepEqual(states(results), ['fulfilled', 'rejected'])
  assert.equal((results[1] as PromiseRejectedResult).reason.sqlstate, '23505')
  assert.deepEqual(await two.target.loaded(notes), { rows: 20, last: ['20'], complete: false })
})

const portable = `
  create table portable (
    id uuid, n bigint, primary key (id, n), a boolean, b smallint, c integer, d real, e double precision, f numeric, g numeric(8,2),
    h text, i varchar(5), j bytea, k date, l time(2), m timestamp, o timestamptz, p interval, q json, r jsonb, s inet, t cidr,
    u text[], v uuid[], w int[], x numeric[], y xid8, z char(4))`

const portableRows = `
  insert into portable
  select gen_random_uuid(), n, n % 2 = 0, n, -n, n / 3.0, n / 7.0, n / 9.0, n / 9.0, E'\\t\\\\' || n || E'\\n\\r', 'ä€' || n, decode(md5(n::text), 'hex'),
         date '2024-02-29' + n, time '23:59:59.999' , '0001-01-01 BC'::timestamp + n * interval '1 us', now() + n * interval '1 day',
         interval '1 mon -2 days 03:04:05.6', '{"a": 1, "a": 2}', jsonb_build_object('k', n), '10.1.2.3/8', '10.1.0.0/16',
         array['x', null, '"', E'\\\\'], array[gen_random_uuid()], array[1, null, n], array[n / 3.0, 'NaN'], n::text::xid8, 'c' || n
    from generate_series(1, 30) n;
  insert into portable values (gen_random_uuid(), 0, null, null, null, 'NaN', '-Infinity', 'NaN', null, '', '', '', 'infinity', '24:00', '-infinity', 'infinity',
         '-1 year', null, null, '::1', '::/0', '{}', null, '{{1,2},{3,4}}', null, null, null)`

test('binary form: carries rows of every type that it is used for as they are, and finds the last key', async () => {
  await using two = await twoDatabases(`${portable}; create table words (word text primary key)`, {
    rows: `${portableRows}; insert into words select 'ä' || n from generate_series(1, 25) n`,
  })
  const tables = ['portable', 'words'].map((name) => tableOf(two, name))

  for (const table of tables) {
    const snapshot = await two.source.snapshot([table], { exact: false })
    assert.deepEqual(snapshot.binaryTypes(table), await two.target.binaryTypes(table))
    assert.equal(snapshot.binaryTypes(table)?.length, table.columns.length)
    const [text, binary] = [await snapshot.chunk(table, null, 12), await snapshot.chunk(table, null, 12, 'binary')]
    assert.deepEqual([binary.rows, binary.last], [12, text.last])
    assert.equal((await snapshot.chunk(table, null, 0, 'binary')).last, null)
    await snapshot.close()
    await load(two, table, 5, 'binary')
    assert.equal((await two.target.loaded(table)).complete, true)
  }

  assert.deepEqual(await digestOf(two.target, tables), await digestOf(two.source, tables))
})

test('binary form: is not used for types of users and keys that nobody here reads', async () => {
  await using two = await twoDatabases(
    `create type mood as enum ('ok'); create domain code as text;
     create table moods (id int primary key, mood mood); create table codes (id int primary key, code code);
     create table days (day date primary key); create table kinds (id int primary key, kind regtype)`,
  )
  for (const name of ['moods', 'codes', 'days', 'kinds']) {
    assert.equal(await two.target.binaryTypes(tableOf(two, name)), null, name)
  }
})
