import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { logicalDatabase, runOn, type LogicalDatabase } from '../../../tests/support/logical-server.ts'
import { connect, ConnectionFailedError, ConnectionLostError, openReplication, UndefinedObjectError } from './index.ts'

let database: LogicalDatabase
before(async () => {
  database = await logicalDatabase('replication')
  await runOn(
    database.url,
    `create table wide (n int primary key, t text);
     create publication wide for table wide`,
  )
})
after(() => database[Symbol.asyncDispose]())

const start = (slot: string) =>
  `START_REPLICATION SLOT ${slot} LOGICAL 0/0 (proto_version '1', publication_names 'wide')`

async function makeSlot(slot: string): Promise<void> {
  await runOn(database.url, `select pg_create_logical_replication_slot('${slot}', 'pgoutput')`)
}

test('openReplication: runs commands of the protocol and SQL', async () => {
  const replication = await openReplication(database.url, { TimeZone: 'Asia/Tokyo' })

  const [system] = await replication.run('IDENTIFY_SYSTEM')
  const [zone] = await replication.run('show timezone')
  await replication.close()

  assert.equal(system?.['dbname'], database.name)
  assert.deepEqual(zone, { TimeZone: 'Asia/Tokyo' })
})

test('openReplication: streams message by message, and the server waits for a slow reader', async () => {
  await makeSlot('slow_reader')
  await runOn(database.url, `insert into wide select n, repeat('x', 10000) from generate_series(1, 3000) n`)
  const replication = await openReplication(database.url)
  const stream = await replication.stream(start('slow_reader'))
  let inserts = 0
  let largestBatch = 0

  for await (const batch of stream) {
    inserts += batch.filter((message) => message[0] === 0x77 && message[25] === 'I'.charCodeAt(0)).length
    largestBatch = Math.max(
      largestBatch,
      batch.reduce((sum, message) => sum + message.length, 0),
    )
    if (inserts < 1000) await new Promise((resolve) => setTimeout(resolve, 5))
    if (inserts >= 3000) break
  }

  assert.equal(inserts, 3000)
  assert.ok(largestBatch < 6 * 2 ** 20, String(largestBatch))
})

test('openReplication: a stream tells that its connection was lost', async () => {
  await makeSlot('killed')
  const replication = await openReplication(database.url)
  const stream = await replication.stream(start('killed'))
  const reading = (async () => {
    for await (const batch of stream) assert.ok(batch)
  })()
  reading.catch(() => undefined)
  const db = connect(database.url)
  await db.query(`select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = 'killed'`)
  await db.close()

  await assert.rejects(reading, ConnectionLostError)
})

test('openReplication: close ends a stream that is being read', async () => {
  await makeSlot('closed')
  const replication = await openReplication(database.url)
  const stream = await replication.stream(start('closed'))
  const reading = (async () => {
    for await (const batch of stream) assert.ok(batch)
  })()
  reading.catch(() => undefined)

  await replication.close()

  await assert.rejects(reading, ConnectionLostError)
})

test('openReplication: tells a missing slot and a missing server', async () => {
  const replication = await openReplication(database.url)

  await assert.rejects(replication.stream(start('nowhere')), UndefinedObjectError)
  await assert.rejects(openReplication('postgres://postgres@127.0.0.1:1/x'), ConnectionFailedError)
  await replication.close()
})
