import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Change, MovedTable } from '../model.ts'
import { twoDatabases } from './two-databases.fixture.ts'

test('long values: a range has a digest though its rows are together longer than any text can be', async () => {
  await using two = await twoDatabases('create table papers (id int primary key, note text)', {
    rows: `insert into papers select n, repeat(md5(n::text), 2000) from generate_series(1, 18000) n`,
  })
  const table = two.tables[0] as MovedTable
  const snapshot = await two.source.snapshot(two.tables, { exact: false })

  const range = await snapshot.digestNext(table, null, 20_000)

  assert.equal(range.rows, 18_000)
  assert.equal(range.digest, (await snapshot.digestRange(table, null, null)).digest)
  await snapshot.close()
})

test('long values: a transaction is applied though its values are together longer than any text can be', async () => {
  await using two = await twoDatabases('create table scans (id int primary key, content bytea)')
  const table = two.tables[0] as MovedTable
  const content = `\\x${'00ff'.repeat(5_000_000)}`
  const changes = Array.from({ length: 30 }, (_, id): Change => ({ table, kind: 'insert', row: [String(id), content] }))

  await two.target.apply('log', [{ position: '0/1', committedAt: new Date(0), changes }])

  assert.deepEqual(
    await two.serviceDb.query('select count(*)::int as rows, sum(octet_length(content)) as bytes from scans'),
    [{ rows: 30, bytes: 300_000_000 }],
  )
})
