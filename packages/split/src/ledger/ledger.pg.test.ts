import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { MoveUnderWayError, StateChangedError } from './errors.ts'
import { Ledger } from './ledger.ts'
import { states, transitions } from './states.ts'

test('Ledger: of all pairs of states the database lets through the legal ones alone', async () => {
  await using database = await emptyDatabase()
  const ledger = await Ledger.open(database.url, 'shared')
  const db = connect(database.url)
  await ledger.enter('lab')

  const passed: string[] = []
  for (const from of states) {
    for (const to of states.filter((state) => state !== from)) {
      await db.transaction(async (tx) => {
        await tx.query('set local session_replication_role = replica')
        await tx.query(`update ledger.services set state = $1 where service = 'lab'`, [from])
      })
      const answer = await db
        .query(`update ledger.services set state = $1 where service = 'lab'`, [to])
        .then(() => 'passed')
        .catch((error: { sqlstate?: string }) => error.sqlstate)
      if (answer === 'passed') passed.push(`${from} -> ${to}`)
      else assert.equal(answer, 'IM001')
    }
  }

  assert.deepEqual(
    passed,
    states.flatMap((from) => states.filter((to) => transitions[from].includes(to)).map((to) => `${from} -> ${to}`)),
  )
  await ledger.close()
  await db.close()
})

test('Ledger.advance: of twenty processes that saw the same state one gets through', async () => {
  await using database = await emptyDatabase()
  const ledgers = await Promise.all(Array.from({ length: 20 }, () => Ledger.open(database.url, 'shared')))
  const entry = await (ledgers[0] as Ledger).enter('lab')

  const outcomes = await Promise.allSettled(ledgers.map((ledger) => ledger.advance(entry, 'cleared')))

  const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
  assert.equal(refused.length, 19)
  for (const { reason } of refused) assert.ok(reason instanceof StateChangedError)
  const history = await (ledgers[0] as Ledger).history()
  assert.deepEqual(
    history.map(({ from, to }) => [from, to]),
    [
      [null, 'mapped'],
      ['mapped', 'cleared'],
    ],
  )
  await Promise.all(ledgers.map((ledger) => ledger.close()))
})

test('Ledger.lock: a service is moved by one process at a time, and is free again when that one is gone', async () => {
  await using database = await emptyDatabase()
  const first = await Ledger.open(database.url, 'shared')
  const second = await Ledger.open(database.url, 'shared')
  await first.lock('lab')

  await assert.rejects(second.lock('lab'), MoveUnderWayError)
  await second.lock('billing')
  await first.close()
  await second.lock('lab')

  await second.close()
})

test('Ledger.restart: a cancelled service begins anew and remembers nothing', async () => {
  await using database = await emptyDatabase()
  const ledger = await Ledger.open(database.url, 'shared')
  const mapped = await ledger.enter('lab')
  const cancelled = await ledger.advance(mapped, 'cancelled', { forwardFrom: '0/1' })

  const again = await ledger.restart(cancelled)

  assert.equal(again.state, 'mapped')
  assert.deepEqual(again.detail, {})
  await assert.rejects(ledger.restart(cancelled), StateChangedError)
  await ledger.close()
})
