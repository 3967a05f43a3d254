import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Key, MovedTable } from '../model.ts'
import type { RangeDigest, Snapshot } from '../side.ts'
import { openPostgresSide } from './open-postgres-side.ts'
import { copyAll, digestOf, twoDatabases, type TwoDatabases } from './two-databases.fixture.ts'

let two: TwoDatabases
before(async () => {
  two = await twoDatabases(
    `create extension citext;
     create table notes (id bigint primary key, author text, body text, twice bigint generated always as (id * 2) stored);
     create table words (word text, part int, note text, primary key (word, part));
     create table labels (label citext primary key, n int generated always as identity);
     create table empty (id uuid primary key)`,
    {
      rows: `insert into notes select n, 'a' || n % 7, repeat('x' || n || E'\\t\\n\\\\', (n % 5)::int) from generate_series(1, 2500) n;
             insert into words select chr(65 + n % 60) || 'ä' || n % 3, n, nullif('w' || n % 2, 'w1') from generate_series(1, 500) n;
             insert into labels (label) select chr(65 + n % 50) || n from generate_series(1, 300) n;`,
    },
  )
  await copyAll(two, 700)
})
after(() => two[Symbol.asyncDispose]())

const table = (name: string) => two.tables.find(({ source }) => source.name === name) as MovedTable

async function ranges(snapshot: Snapshot, moved: MovedTable, limit: number): Promise<RangeDigest[]> {
  const found: RangeDigest[] = []
  for (let last: Key | null = null; ;) {
    const range: RangeDigest = await snapshot.digestNext(moved, last, limit)
    if (range.last === null) return found
    found.push(range)
    last = range.last
  }
}

test('load: brings every row over once, by chunks of any key, and remembers the end', async () => {
  const [source, target] = [await digestOf(two.source, two.tables), await digestOf(two.target, two.tables)]

  assert.deepEqual(target, source)
  assert.match(source.join('\n'), /^notes 2500 /m)
  assert.deepEqual(await two.target.loaded(table('notes')), { rows: 2500, last: ['2500'], complete: true })
  assert.deepEqual(await two.target.loaded(table('empty')), { rows: 0, last: null, complete: true })
})

test('digestNext and digestRange: walk through a table in the same steps on both sides', async () => {
  const source = await two.source.snapshot(two.tables, { exact: false })
  const target = await two.target.snapshot(two.tables, { exact: false })

  for (const name of ['notes', 'words', 'labels']) {
    const expected = await ranges(source, table(name), 90)
    assert.deepEqual(await ranges(target, table(name), 90), expected)
    assert.ok(expected.length > 3)
    const [first, second] = expected
    const { rows, digest } = await target.digestRange(table(name), first?.last ?? null, second?.last ?? null)
    assert.deepEqual([rows, digest], [second?.rows, second?.digest])
  }
  await source.close()
  await target.close()
})

test('digests: one value that differs is found, and its column named', async () => {
  await two.serviceDb.query(`update words set note = '' where part = 401`)
  const source = await two.source.snapshot(two.tables, { exact: false })
  const target = await two.target.snapshot(two.tables, { exact: false })

  const expected = await ranges(source, table('words'), 50)
  const found = await ranges(target, table('words'), 50)
  const rows = await source.rowDigests(table('words'), null, null)
  const others = await target.rowDigests(table('words'), null, null)

  assert.equal(expected.filter(({ digest }, at) => digest !== found[at]?.digest).length, 1)
  const different = rows.filter((row, at) => row.columns.join() !== others[at]?.columns.join())
  assert.deepEqual(
    different.map(({ key }) => key[1]),
    ['401'],
  )
  await source.close()
  await target.close()
  await two.serviceDb.query(`update words set note = null where part = 401`)
})

test('snapshot: serves several callers at once from the same moment', async () => {
  const snapshot = await two.source.snapshot(two.tables, { exact: false })
  await two.sharedDb.query(`insert into notes (id) values (9999)`)

  const digests = await Promise.all(Array.from({ length: 9 }, () => snapshot.digestRange(table('notes'), null, null)))

  assert.deepEqual(new Set(digests.map(({ rows }) => rows)), new Set([2500]))
  await snapshot.close()
  await two.sharedDb.query(`delete from notes where id = 9999`)
})

test('snapshot: fails instead of leaving out rows that a policy hides', async () => {
  const role = `reader_of_${two.shared.name}`
  await two.sharedDb.query(`create role ${role} login password 'test'`)
  await two.sharedDb.query('alter table notes enable row level security')
  await two.sharedDb.query(`grant select on notes to ${role}`)
  const url = new URL(two.shared.url)
  url.username = role
  url.password = 'test'
  const side = await openPostgresSide(url.href)
  const snapshot = await side.snapshot([table('notes')], { exact: false })

  await assert.rejects(snapshot.chunk(table('notes'), null, 10), { sqlstate: '42501' })

  await snapshot.close()
  await side.close()
  await two.sharedDb.query(`drop owned by ${role}`)
  await two.sharedDb.query(`drop role ${role}`)
})

test('chunk: ends early where values are far longer than the server keeps them, and no row is left out', async () => {
  await using wide = await twoDatabases(
    'create table scans (id int primary key, body text); create table odd (id int primary key, kind money, body text)',
    {
      rows: `insert into scans select n, repeat('x', 1000000) from generate_series(1, 75) n;
             insert into odd select n, n::money, repeat('x', 1000000) from generate_series(1, 75) n`,
    },
  )
  const snapshot = await wide.source.snapshot(wide.tables, { exact: false })
  for (const moved of wide.tables) {
    const format = snapshot.binaryTypes(moved) === null ? 'text' : 'binary'
    let rows = 0
    for (let last: Key | null = null; ;) {
      const chunk = await snapshot.chunk(moved, last, 20_000, format)
      assert.ok(chunk.data.length < 69e6, `${chunk.rows} rows in one chunk`)
      if (chunk.last === null) break
      assert.equal(chunk.last[0], String((rows += chunk.rows)))
      last = chunk.last
    }
    assert.equal(rows, 75)
  }
  await snapshot.close()
})
