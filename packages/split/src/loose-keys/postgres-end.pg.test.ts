import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { emptyDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { postgresEnd } from './postgres-end.ts'

let database: TestDatabase
let db: Database
before(async () => {
  database = await emptyDatabase()
  db = connect(database.url)
})
after(async () => {
  await db.close()
  await database.drop()
})

const table = (name: string) => ({ schema: 'public', name })

test('settle: takes from a partitioned table the children of the parent, and no rows in the same place elsewhere', async () => {
  await db.query(
    'create table visits (day date, patient int, note text, primary key (day, patient)) partition by range (day)',
  )
  for (const year of [2025, 2026]) {
    await db.query(
      `create table visits_${year} partition of visits for values from ('${year}-01-01') to ('${year + 1}-01-01')`,
    )
  }
  await db.query(
    `insert into visits values ('2025-05-05', 1, 'a'), ('2025-05-06', 2, 'a'), ('2026-05-05', 2, 'a'), ('2026-05-06', 1, 'a')`,
  )
  const end = postgresEnd(db)

  assert.equal(await end.settle(table('visits'), ['patient'], [['1']], 'delete', 1000), 2)
  assert.deepEqual(await db.query('select distinct patient from visits'), [{ patient: 2 }])
  assert.equal(await end.settle(table('visits'), ['note'], [['a']], 'nullify', 1), 1)
  assert.deepEqual(await db.query('select count(note)::int as left from visits'), [{ left: 1 }])
})

test('missingKeys and referredKeys: compare values of a fixed length whole', async () => {
  await db.query('create table wards (code char(3) primary key)')
  await db.query('create table beds (id int primary key, ward char(3))')
  await db.query(`insert into wards values ('A01'), ('A02')`)
  await db.query(`insert into beds values (1, 'A01'), (2, 'A02'), (3, 'A03')`)
  const end = postgresEnd(db)

  assert.deepEqual(await end.missingKeys(table('wards'), ['code'], [['A01'], ['A03']]), [['A03']])
  assert.deepEqual(await end.referredKeys(table('beds'), ['ward'], ['A01'], 10), [['A02'], ['A03']])
  assert.equal(await end.settle(table('beds'), ['ward'], [['A03']], 'delete', 10), 1)
})
