import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { logicalDatabase, runOn } from '../../../../tests/support/logical-server.ts'
import type { MovedTable } from '../model.ts'
import { readSharedCatalog } from './catalog.ts'
import { readLayout } from './layout.ts'
import { readStorage } from './storage.ts'
import { twoDatabases } from './two-databases.fixture.ts'

test('storage and layouts: wait for nobody who holds a partition, as clients may stand still', async () => {
  await using two = await twoDatabases(
    `create table doses (id int primary key) partition by range (id);
     create table doses_1 partition of doses for values from (0) to (9) partition by range (id);
     create table doses_2 partition of doses_1 default`,
  )
  const holder = await two.sharedDb.dedicated()
  const asking = await two.sharedDb.dedicated()
  try {
    await asking.script(`set lock_timeout = '200ms'`)
    const [table] = two.tables as [MovedTable]
    const before = await readStorage(asking, [table], 'source')
    await holder.script(`begin; lock table doses_1, doses_2 in access exclusive mode`)

    assert.deepEqual(await readStorage(asking, [table], 'source'), before)
    const { all } = await readLayout(asking, table, 'source')
    assert.deepEqual(all, ['"public"."doses"', '"public"."doses_1"', '"public"."doses_2"'])
    await holder.script('truncate doses_2; commit')
    assert.notDeepEqual(await readStorage(asking, [table], 'source'), before)
  } finally {
    await holder.release()
    await asking.release()
  }
})

test('catalog: a table or a partition that somebody holds for long is waited for with a limit', async () => {
  await using database = await logicalDatabase('held')
  await runOn(
    database.url,
    `create table beds (id int); create table doses (id int) partition by range (id);
     create table doses_1 partition of doses for values from (0) to (9)`,
  )
  const db = connect(database.url)
  const holder = await db.dedicated()
  try {
    for (const held of ['beds', 'doses_1']) {
      await holder.script(`begin; lock table ${held} in access exclusive mode`)
      await assert.rejects(readSharedCatalog(db, undefined, 0.2), { code: 'IMH_SPLIT_BUSY', exitCode: 2 })
      await holder.script('rollback')
    }
    assert.equal((await readSharedCatalog(db, undefined, 0.2)).tables.length, 2)
  } finally {
    await holder.release()
    await db.close()
  }
})
