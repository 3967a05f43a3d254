import assert from 'node:assert/strict'
import { test } from 'node:test'
import { twoDatabases } from '../postgres/two-databases.fixture.ts'
import { returnCommon } from './return-common.ts'

test('returnCommon: brings younger and new rows back, and gives up in time where clients hold one', async () => {
  const series = 'create table series (name text primary key, value int, updated_at timestamptz not null)'
  await using two = await twoDatabases(series, {
    rows: `insert into series values ('bill', 7, '2026-01-01'), ('visit', 9, '2026-01-03')`,
  })
  await two.serviceDb.query(
    `insert into series values ('bill', 8, '2026-01-02'), ('visit', 5, '2026-01-02'), ('order', 1, '2026-01-01')`,
  )
  const bring = () => returnCommon(two.service.url, two.shared.url, two.tables, 1)
  const values = () => two.sharedDb.query('select name, value from series order by name')
  const before = await values()
  const client = await two.sharedDb.dedicated()
  await client.script(`begin; update series set value = 6 where name = 'bill'`)

  await assert.rejects(bring(), { code: 'IMH_SPLIT_BUSY', message: /within 1 s/ })

  await client.script('rollback')
  await client.release()
  assert.deepEqual(await values(), before)
  await bring()
  await bring()
  assert.deepEqual(await values(), [
    { name: 'bill', value: 8 },
    { name: 'order', value: 1 },
    { name: 'visit', value: 9 },
  ])
})
