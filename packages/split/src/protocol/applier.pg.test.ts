import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LogTransaction } from '../model.ts'
import type { LogReader, Side } from '../side.ts'
import { twoDatabases } from '../postgres/two-databases.fixture.ts'
import { Applier } from './applier.ts'

test('Applier: stops also while somebody holds the table that it writes', async () => {
  await using two = await twoDatabases('create table visits (id int primary key)')
  const log = `applier_${two.shared.name}`
  const start = await two.source.openLog(log, two.tables)
  const client = await two.serviceDb.dedicated()
  await client.script('begin; lock table visits')
  const applier = await Applier.start({ log, from: two.source, to: two.target, tables: two.tables, start })
  await two.sharedDb.query('insert into visits values (1)')
  const waits = `select from pg_locks where not granted and relation = 'visits'::regclass`
  while ((await two.serviceDb.query(waits)).length === 0) await sleep(20)

  await applier.stop()

  await client.script('rollback')
  await client.release()
  const again = await Applier.start({ log, from: two.source, to: two.target, tables: two.tables, start })
  await again.waitFor(await two.source.position())
  await again.stop()
  assert.deepEqual(await two.serviceDb.query('select id from visits'), [{ id: 1 }])
})

test('Applier: transactions that lie far before what somebody waits for are applied together', async () => {
  let calls = 0
  const log = async function* (): AsyncGenerator<LogTransaction> {
    for (let n = 1; n <= 1000; n++) yield { position: String(n), committedAt: new Date(), changes: [{} as never] }
    await sleep(1_000)
  }
  const from = {
    comparePositions: (a: string, b: string) => Number(a) - Number(b),
    readLog: (): LogReader => ({ [Symbol.asyncIterator]: log, confirm: () => {}, close: async () => {} }),
  } as unknown as Side
  const to = {
    applied: async () => null,
    apply: async () => {
      calls += 1
      await sleep(1)
    },
  } as unknown as Side
  const applier = await Applier.start({ log: 'log', from, to, tables: [], start: '0' })

  await applier.waitFor('999')
  assert.equal(applier.applied, '999')
  await applier.waitFor('1000')
  await applier.stop()

  assert.ok(calls <= 5, `${calls} transactions of the receiving side`)
})
