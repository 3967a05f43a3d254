import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import {
  consumeReservation,
  countAdjust,
  postMovement,
  recallBatch,
  releaseReservation,
  reserveFefo,
  transferStock,
} from '@imhotep/domain'
import {
  CommitUnknownError,
  ConnectionFailedError,
  ConnectionLostError,
  DatabaseError,
  type Transaction,
} from '@imhotep/postgres'
import { addBatch, addItem, openStores, stockOutOfStep, type Stores } from '../inventory/stores.fixture.ts'
import { at, killSome, tally } from './clinic.fixture.ts'

const clients = 150
let stores: Stores

before(async () => {
  stores = await openStores(clients)
})
after(() => stores.close())

test('stock: 150 clients take 100 pieces of 10 batches, many killed: never negative, always the first expiry', async () => {
  const item = await addItem(stores)
  const batches = []
  for (const day of [50, 10, 30, 90, 20, 80, 40, 70, 60, 100]) {
    batches.push(await addBatch(stores, { item, expiresIn: day, quantity: 10 }))
  }

  const outcomes = await Promise.all(
    Array.from({ length: clients }, (_, index) =>
      untilAnswered(index, (tx) => takeOne(tx, item, `taken-in-race-${index}`)),
    ),
  )

  assert.deepEqual(tally(outcomes), { taken: 100, IM500: 50 })
  assert.deepEqual(await stockOutOfStep(stores), [])
  const ledger = await stores.superuser.query<{ expiry_on: string }>(
    `select b.expiry_on from inventory.stock_movements m join inventory.batches b on b.id = m.batch_id
     where m.item_id = $1 and m.kind = 'issue' order by m.moved_at`,
    [item],
  )
  const expiries = ledger.map((row) => row.expiry_on)
  assert.equal(expiries.length, 100)
  assert.deepEqual(expiries, expiries.toSorted(), 'nobody got a later batch before an earlier one was used up')
})

test('stock: one reservation consumed 50 times at once under one key is one movement', async () => {
  const item = await addItem(stores)
  await addBatch(stores, { item, expiresIn: 30, quantity: 100 })
  const wish = { storeLocationId: stores.store, itemId: item, quantity: 2, refType: 'race', refId: randomUUID() }

  const reserved = await Promise.all(Array.from({ length: 50 }, () => insistent((tx) => reserveFefo(tx, wish))))
  const reservation = at(at(reserved, 0), 0)
  const input = { reservationId: reservation.id, quantity: 2, refType: 'race', refId: wish.refId }
  const taken = await Promise.all(
    Array.from({ length: 50 }, () =>
      insistent((tx) => consumeReservation(tx, { ...input, idempotencyKey: 'the-same-key' })),
    ),
  )

  for (const answer of reserved) assert.deepEqual(answer, at(reserved, 0))
  for (const answer of taken) assert.deepEqual(answer, at(taken, 0))
  assert.deepEqual(await stockOutOfStep(stores), [])
})

test('stock: reservations, transfers both ways, counts and a recall at once leave the ledger and the promises in step', async () => {
  const item = await addItem(stores)
  const batches: string[] = []
  for (const day of [60, 15, 45, 30]) batches.push(await addBatch(stores, { item, expiresIn: day, quantity: 60 }))
  const recalled = at(batches, 1)
  const { store, ward } = stores
  const places = [
    [store, ward],
    [ward, store],
  ] as const
  for (const batchId of batches) {
    await stores.by((tx) => transferStock(tx, transferOf(store, ward, [batchId], 30)))
  }

  const outcomes = await Promise.all(
    Array.from({ length: clients }, (_, index) => {
      const [from, to] = at(places, index % 2)
      const id = randomUUID() // of the request: a repetition has it again
      return untilAnswered(index, async (tx) => {
        if (index === 75) {
          await recallBatch(tx, { batchId: recalled, recallRef: 'RN-RACE' })
          return 'recalled'
        }
        // both orders of lines, both directions: only one order of locks can survive that
        if (index % 5 === 0) {
          const lines = index % 10 === 0 ? batches : batches.toReversed()
          await transferStock(tx, transferOf(from, to, lines, 1, id))
          return 'moved'
        }
        if (index % 5 === 1) {
          await countAdjust(tx, {
            storeLocationId: from,
            batchId: at(batches, index % 4),
            countedQty: 25,
            bookQty: 26,
            countedBy: stores.counter.staff,
            reasonCode: 'stock_count',
            countId: id,
            idempotencyKey: id,
          })
          return 'counted'
        }
        return reserveAndUse(tx, from, item, index)
      })
    }),
  )

  const allowed = ['recalled', 'moved', 'counted', 'taken', 'released', 'reserved', 'IM500', 'IM505']
  assert.deepEqual(
    outcomes.filter((outcome) => !allowed.includes(outcome)),
    [],
  )
  const counts = tally(outcomes)
  assert.equal(counts['recalled'], 1)
  for (const outcome of ['moved', 'counted', 'taken', 'released', 'reserved']) assert.ok(counts[outcome], outcome)
  assert.deepEqual(await stockOutOfStep(stores), [])
  const promised = await stores.superuser.query(
    `select id from inventory.stock_reservations where batch_id = $1 and status = 'active'`,
    [recalled],
  )
  assert.deepEqual(promised, [], 'nothing of a recalled batch stays promised')
  await assert.rejects(
    stores.by((tx) =>
      postMovement(tx, {
        kind: 'issue',
        storeLocationId: store,
        batchId: recalled,
        quantity: 1,
        refType: 'race',
        refId: randomUUID(),
        idempotencyKey: randomUUID(),
      }),
    ),
    { sqlstate: 'IM502' },
  )
})

/** Reserves and takes one piece; repeated under the same name it is still one. */
async function takeOne(tx: Transaction, itemId: string, name: string): Promise<string> {
  const [done] = await tx.query('select from inventory.stock_movements where idempotency_key = $1', [name])
  if (done !== undefined) return 'taken' // the commit that was not answered
  const refId = randomUUID()
  const wish = { storeLocationId: stores.store, itemId, quantity: 1, refType: 'race', refId }
  const [reservation] = await reserveFefo(tx, wish)
  await consumeReservation(tx, {
    reservationId: reservation?.id ?? '',
    quantity: 1,
    refType: 'race',
    refId,
    idempotencyKey: name,
  })
  return 'taken'
}

async function reserveAndUse(tx: Transaction, storeLocationId: string, itemId: string, index: number): Promise<string> {
  const refId = randomUUID()
  const lines = await reserveFefo(tx, { storeLocationId, itemId, quantity: 2, refType: 'race', refId })
  if (index % 3 === 0) return 'reserved'
  for (const { id, quantity } of lines) {
    if (index % 3 === 1) await releaseReservation(tx, id)
    else {
      const input = { reservationId: id, quantity, refType: 'race', refId }
      await consumeReservation(tx, { ...input, idempotencyKey: `used-${index}-${id}` })
    }
  }
  return index % 3 === 1 ? 'released' : 'taken'
}

function transferOf(from: string, to: string, batches: readonly string[], quantity: number, id: string = randomUUID()) {
  return {
    fromLocationId: from,
    toLocationId: to,
    lines: batches.map((batchId) => ({ batchId, quantity })),
    refType: 'race',
    refId: id,
    idempotencyKey: id,
  }
}

/** A client that nobody kills, on connections that the tests before may have lost. */
async function insistent<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
  const answer = await untilAnswered(0, work)
  if (typeof answer === 'string') throw new Error(`refused: ${answer}`)
  return answer
}

/** A client that never gives up; a refusal is its SQLSTATE. Some sessions are killed before, some during commit. */
async function untilAnswered<T>(index: number, work: (tx: Transaction) => Promise<T>): Promise<T | string> {
  for (let attempt = 0; attempt < 30; attempt++) {
    try {
      return await stores.by(async (tx) => {
        const answer = await work(tx)
        await killSome(stores.superuser, tx, index, attempt)
        return answer
      })
    } catch (error) {
      if (error instanceof DatabaseError && error.sqlstate.startsWith('IM')) return error.sqlstate
      if (!worthAnotherTry(error)) throw error
    }
  }
  throw new Error(`client ${index} got no answer`)
}

/** A lost connection, or 3 s behind the others in the queue for a batch (55P03). Deadlocks (40P01) are not forgiven. */
function worthAnotherTry(error: unknown): boolean {
  return (
    error instanceof ConnectionLostError ||
    error instanceof ConnectionFailedError ||
    error instanceof CommitUnknownError ||
    (error instanceof DatabaseError && ['57P01', '55P03'].includes(error.sqlstate))
  )
}
