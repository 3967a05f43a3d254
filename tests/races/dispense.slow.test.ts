import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { dispense, type Dispense } from '@imhotep/domain'
import {
  CommitUnknownError,
  ConnectionFailedError,
  ConnectionLostError,
  DatabaseError,
  type Transaction,
} from '@imhotep/postgres'
import { addBatch, prescribe, type Pharmacy } from '../../packages/domain/src/medication/medication.fixture.ts'
import { openRacePharmacy } from '../medication/race-pharmacy.fixture.ts'
import { at, killSome, type RaceClinic } from './clinic.fixture.ts'

const clients = 120
let clinic: RaceClinic
let pharmacy: Pharmacy

before(async () => {
  ;({ clinic, pharmacy } = await openRacePharmacy(clients))
})
after(() => clinic.close())

test('dispense: 120 clients want one of 30 tablets, many killed before or during commit: 30 get one, none is lost', async () => {
  for (const days of [100, 200, 300]) await addBatch(pharmacy, 'paracetamol', 10, days)
  const orders: Order[] = []
  for (let n = 0; n < clients; n++) orders.push(await prescribe(pharmacy, 'paracetamol', { quantity: 1 }))

  const answers = await Promise.all(orders.map((order, index) => untilAnswered(index, order, `tablet-${index}`)))

  assert.deepEqual(tally(answers), { completed: 30, IM500: 90 })
  assert.equal(new Set(answers.flatMap((answer) => (typeof answer === 'string' ? [] : [answer.id]))).size, 30)
  assert.deepEqual(await books('paracetamol'), {
    onHand: 0,
    reserved: 0,
    moved: 30,
    lines: 30,
    counted: 30,
    batches: 3,
    numbers: 30,
  })
})

test('dispense: 60 clients on one prescription of 10 tablets take 10 in all', async () => {
  await addBatch(pharmacy, 'ibuprofen', 100, 200)
  const order = await prescribe(pharmacy, 'ibuprofen', { quantity: 10 })

  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, index) => untilAnswered(index, order, `refill-${index}`)),
  )

  const { completed, IM404 = 0, IM001 = 0 } = tally(answers)
  assert.equal(completed, 10)
  assert.equal(IM404 + IM001, 50, 'the rest is told that nothing is left, or that the prescription is done')
  const { onHand, moved, lines, counted } = await books('ibuprofen')
  assert.deepEqual({ onHand, moved, lines, counted }, { onHand: 90, moved: 10, lines: 10, counted: 10 })
})

test('dispense: one key sent 40 times at once is one dispense', async () => {
  await addBatch(pharmacy, 'antacid', 100, 200)
  const order = await prescribe(pharmacy, 'antacid', { quantity: 40 })

  const answers = await Promise.all(Array.from({ length: 40 }, (_, index) => untilAnswered(index, order, 'same-key-')))

  for (const answer of answers) assert.deepEqual(answer, answers[0])
  assert.equal((await books('antacid')).moved, 1)
})

interface Order {
  readonly prescriptionId: string
  readonly itemId: string
}

/** A client that never gives up: after a lost connection or a long wait it asks again with its key, as it must. */
async function untilAnswered(index: number, order: Order, key: string): Promise<Dispense | string> {
  for (let attempt = 0; attempt < 30; attempt++) {
    try {
      return await pharmacy.asPharmacist(async (tx) => {
        const answer = await take(tx, order, key)
        await killSome(clinic.superuser, tx, index, attempt)
        return answer
      })
    } catch (error) {
      if (error instanceof DatabaseError && error.sqlstate.startsWith('IM') && error.sqlstate !== 'IM010')
        return error.sqlstate
      if (!mayAskAgain(error)) throw error
    }
  }
  throw new Error(`client ${index} got no answer`)
}

function take(tx: Transaction, { prescriptionId, itemId }: Order, key: string): Promise<Dispense> {
  return dispense(tx, {
    storeLocationId: pharmacy.storeId,
    kind: 'opd',
    key,
    prescriptionId,
    lines: [{ prescriptionItemId: itemId, quantity: 1 }],
  })
}

function mayAskAgain(error: unknown): boolean {
  return (
    error instanceof ConnectionLostError ||
    error instanceof ConnectionFailedError ||
    error instanceof CommitUnknownError ||
    (error instanceof DatabaseError && ['57P01', '55P03', '40P01', 'IM010'].includes(error.sqlstate))
  )
}

function tally(answers: (Dispense | string)[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const answer of answers) {
    const outcome = typeof answer === 'string' ? answer : answer.status
    counts[outcome] = (counts[outcome] ?? 0) + 1
  }
  return counts
}

/** What stock, ledger, lines and prescriptions say about a drug: they must agree. */
async function books(drug: 'paracetamol' | 'ibuprofen' | 'antacid'): Promise<Record<string, number>> {
  const rows = await clinic.superuser.query<Record<string, number>>(
    `select
       (select sum(b.on_hand)::int from inventory.stock_balances b where b.item_id = $1) as "onHand",
       (select sum(b.reserved)::int from inventory.stock_balances b where b.item_id = $1) as reserved,
       (select -sum(m.quantity)::int from inventory.stock_movements m where m.item_id = $1 and m.kind = 'dispense') as moved,
       (select sum(l.quantity)::int from medication.dispense_items l where l.item_id = $1) as lines,
       (select sum(i.quantity_dispensed)::int from medication.prescription_items i where i.drug_id = $2) as counted,
       (select count(distinct l.batch_id)::int from medication.dispense_items l where l.item_id = $1) as batches,
       (select count(distinct d.dispense_number)::int from medication.dispenses d
        join medication.dispense_items l on l.dispense_id = d.id where l.item_id = $1) as numbers`,
    [pharmacy.items[drug], pharmacy.drugs[drug]],
  )
  return at(rows, 0)
}
