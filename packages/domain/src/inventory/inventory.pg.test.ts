import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { type Transaction } from '@imhotep/postgres'
import {
  addBatch,
  addItem,
  balances,
  openStores,
  stockOutOfStep,
  type Stores,
} from '../../../../tests/inventory/stores.fixture.ts'
import { addPatients, at } from '../../../../tests/races/clinic.fixture.ts'
import { announceExpiring, expireBatches, holdBatch, rejectBatch, releaseBatch } from './batches.ts'
import { countAdjust, type CountAdjustInput } from './count-adjust.ts'
import { inspectGoods, postGoodsReceipt, receiveGoods, refuseGoods, type ReceiveGoodsInput } from './goods-receipts.ts'
import { cancelIndent, decideIndent, issueIndent, receiveIndent, requestIndent } from './indents.ts'
import { postMovement, type PostMovementInput } from './post-movement.ts'
import {
  cancelPurchaseOrder,
  closePurchaseOrder,
  createPurchaseOrder,
  decidePurchaseOrder,
  sendPurchaseOrder,
  submitPurchaseOrder,
} from './purchase-orders.ts'
import { batchRecipients, recallBatch } from './recall-batch.ts'
import {
  consumeReservation,
  expireReservations,
  releaseReservation,
  reserveFefo,
  type ReserveFefoInput,
} from './reservations.ts'
import { transferStock } from './transfer.ts'

let stores: Stores

before(async () => {
  stores = await openStores()
})
after(async () => {
  assert.deepEqual(await stockOutOfStep(stores), [])
  await stores.close()
})

const by = <T>(work: (tx: Transaction) => Promise<T>, person = stores.asker) => stores.by(work, person)

const refused = (work: (tx: Transaction) => Promise<unknown>, sqlstate: string, person = stores.asker) =>
  assert.rejects(stores.by(work, person), { sqlstate })

/** A movement out of the pharmacy with a key and a reference of its own. */
function movement(batchId: string, quantity: number, more: Partial<PostMovementInput> = {}): PostMovementInput {
  const id = randomUUID()
  const { store } = stores
  return {
    kind: 'issue',
    storeLocationId: store,
    batchId,
    quantity,
    refType: 'test',
    refId: id,
    idempotencyKey: id,
    ...more,
  }
}

function wish(itemId: string, quantity: number, more: Partial<ReserveFefoInput> = {}): ReserveFefoInput {
  return { storeLocationId: stores.store, itemId, quantity, refType: 'test', refId: randomUUID(), ...more }
}

async function balanceOf(batch: string, location = stores.store): Promise<[number, number]> {
  const found = (await balances(stores, location)).find((balance) => balance.batch === batch)
  return [found?.on_hand ?? 0, found?.reserved ?? 0]
}

test('postMovement: in and out, once per key, never more than is there', async () => {
  const batch = await addBatch(stores, { item: await addItem(stores), expiresIn: 30, quantity: 10 })
  const input = movement(batch, 4)

  const first = await by((tx) => postMovement(tx, input))
  const repeated = await by((tx) => postMovement(tx, input))

  assert.deepEqual([first.quantity, first.balanceAfter], [-4, 6])
  assert.deepEqual(repeated, first)
  assert.deepEqual(await balanceOf(batch), [6, 0])
  await refused((tx) => postMovement(tx, { ...input, quantity: 5 }), 'IM011')
  await refused((tx) => postMovement(tx, { ...input, idempotencyKey: randomUUID() }), 'IM011')
  await refused((tx) => postMovement(tx, movement(batch, 6.5)), 'IM505')
  await refused((tx) => postMovement(tx, movement(batch, 1, { storeLocationId: stores.ward })), 'IM505')
  await refused((tx) => postMovement(tx, movement(randomUUID(), 1)), 'IM005')
  await refused((tx) => postMovement(tx, movement(batch, -1)), '22023')
  await refused((tx) => postMovement(tx, movement(batch, 0.0001)), '22023')
  await refused((tx) => postMovement(tx, movement(batch, NaN, { kind: 'return_in' })), '22023')
  await refused((tx) => reserveFefo(tx, wish(batch, Infinity, { partial: true })), '22023')
  const sideways = { ...movement(batch, 1), kind: 'transfer_out' as PostMovementInput['kind'] }
  await refused((tx) => postMovement(tx, sideways), '22023')
})

test('postMovement: only posting a goods receipt makes stock without a second person', async () => {
  const batch = await addBatch(stores, { item: await addItem(stores), expiresIn: 30, quantity: 10 })
  const approval = { reasonCode: 'unused on the ward', approvedBy: stores.approver.staff }

  await refused(
    (tx) => postMovement(tx, { ...movement(batch, 5, approval), kind: 'receipt' as PostMovementInput['kind'] }),
    '22023',
  )
  for (const kind of ['opening', 'return_in'] as const) {
    await refused((tx) => postMovement(tx, movement(batch, 5, { kind })), 'IM506')
    await refused(
      (tx) => postMovement(tx, movement(batch, 5, { kind, ...approval, approvedBy: stores.asker.staff })),
      'IM506',
    )
  }
  await refused(
    (tx) =>
      tx.query(`select inventory.take_back($1, $2, 5, 'test', $3, $3::uuid::text)`, [
        stores.store,
        batch,
        randomUUID(),
      ]),
    '42501',
  )
  const back = await by((tx) => postMovement(tx, movement(batch, 5, { kind: 'return_in', ...approval })))

  assert.equal(back.balanceAfter, 15)
})

test('postMovement: losses need a reason and the approval of another person', async () => {
  const batch = await addBatch(stores, { item: await addItem(stores), expiresIn: 30, quantity: 10 })
  const { asker, approver } = stores
  const loss = { kind: 'adjust_down', reasonCode: 'broken' } as const

  await refused((tx) => postMovement(tx, movement(batch, 1, { kind: 'adjust_down' })), 'IM506')
  await refused((tx) => postMovement(tx, movement(batch, 1, loss)), 'IM506')
  await refused((tx) => postMovement(tx, movement(batch, 1, { ...loss, approvedBy: asker.staff })), 'IM506')
  await refused((tx) => postMovement(tx, movement(batch, 1, { ...loss, approvedBy: randomUUID() })), 'IM506')
  const posted = await by((tx) => postMovement(tx, movement(batch, 1, { ...loss, approvedBy: approver.staff })))

  assert.equal(posted.balanceAfter, 9)
})

test('postMovement: a loss breaks the newest promises, and only those', async () => {
  const item = await addItem(stores)
  const batch = await addBatch(stores, { item, expiresIn: 30, quantity: 10 })
  const [older] = await by((tx) => reserveFefo(tx, wish(item, 4)))
  const [newer] = await by((tx) => reserveFefo(tx, wish(item, 4)))

  await refused((tx) => postMovement(tx, movement(batch, 5)), 'IM505')
  const approval = { reasonCode: 'broken', approvedBy: stores.approver.staff }
  await by((tx) => postMovement(tx, movement(batch, 5, { kind: 'adjust_down', ...approval })))

  assert.deepEqual(await balanceOf(batch), [5, 4])
  const use = (reservationId: string | undefined) => (tx: Transaction) =>
    consumeReservation(tx, {
      reservationId: reservationId ?? '',
      quantity: 4,
      refType: 'test',
      refId: randomUUID(),
      idempotencyKey: randomUUID(),
    })
  await refused(use(newer?.id), 'IM504')
  await by(use(older?.id))
})

test('postMovement: expired and blocked batches do not leave, but can be written off, destroyed and closed', async () => {
  const item = await addItem(stores, { is_controlled: true })
  const expired = await addBatch(stores, { item, expiresIn: -1, quantity: 3 })
  const held = await addBatch(stores, { item, expiresIn: 40, quantity: 3 })
  await by((tx) => holdBatch(tx, held, 'complaint'))
  const destroy = { kind: 'destroy', reasonCode: 'expired', approvedBy: stores.approver.staff } as const

  await refused((tx) => postMovement(tx, movement(expired, 1)), 'IM501')
  await refused((tx) => postMovement(tx, movement(held, 1)), 'IM502')
  assert.equal(await by((tx) => expireBatches(tx)), 1)
  await refused((tx) => postMovement(tx, movement(expired, 3, destroy)), 'IM403')
  await by((tx) => postMovement(tx, movement(expired, 3, { ...destroy, witnessId: stores.counter.staff })))

  const [state] = await by((tx) => tx.query('select status from inventory.batches where id = $1', [expired]))
  assert.deepEqual(state, { status: 'destroyed' })
})

test('postMovement: the movement that takes an item below its reorder level says so, once', async () => {
  const item = await addItem(stores, { reorder_level: 8 })
  const batch = await addBatch(stores, { item, expiresIn: 30, quantity: 10 })

  for (const quantity of [1, 2, 3]) await by((tx) => postMovement(tx, movement(batch, quantity)))

  const events = await stores.superuser.query(
    `select event_type from core.outbox_events where aggregate_id = $1 and event_type = 'stock.low.v1'`,
    [item],
  )
  assert.equal(events.length, 1)
})

test('reserveFefo: takes the batches that expire first, all or nothing, and answers a repetition as before', async () => {
  const item = await addItem(stores)
  const late = await addBatch(stores, { item, expiresIn: 60, quantity: 10 })
  const early = await addBatch(stores, { item, expiresIn: 10, quantity: 4 })
  const input = wish(item, 6)

  const lines = await by((tx) => reserveFefo(tx, input))
  const repeated = await by((tx) => reserveFefo(tx, input))

  assert.deepEqual(
    lines.map(({ batchId, quantity }) => [batchId, quantity]),
    [
      [early, 4],
      [late, 2],
    ],
  )
  assert.deepEqual(repeated, lines)
  await refused((tx) => reserveFefo(tx, { ...input, quantity: 7 }), 'IM011')
  await refused((tx) => reserveFefo(tx, wish(item, 9)), 'IM500')
  await refused((tx) => reserveFefo(tx, wish(item, 1, { storeLocationId: randomUUID() })), 'IM005')
  const partial = await by((tx) => reserveFefo(tx, wish(item, 9, { partial: true })))
  assert.deepEqual(
    partial.map(({ batchId, quantity }) => [batchId, quantity]),
    [[late, 8]],
  )
  assert.deepEqual(await by((tx) => reserveFefo(tx, wish(item, 1, { partial: true }))), [])
})

test('reserveFefo: leaves out what expires too soon or is blocked, and says which it was', async () => {
  const item = await addItem(stores)
  const soon = await addBatch(stores, { item, expiresIn: 10, quantity: 5 })
  const day = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)

  await refused((tx) => reserveFefo(tx, wish(item, 1, { minExpiryOn: day(20) })), 'IM501')
  await by((tx) => holdBatch(tx, soon, 'complaint'))
  await refused((tx) => reserveFefo(tx, wish(item, 1)), 'IM502')
  await by((tx) => releaseBatch(tx, soon))
  assert.equal((await by((tx) => reserveFefo(tx, wish(item, 1)))).length, 1)
})

test('reservations: taken in parts, released once, lapsed ones make room', async () => {
  const item = await addItem(stores)
  const batch = await addBatch(stores, { item, expiresIn: 30, quantity: 10 })
  const patientId = at(await addPatients(stores, 1), 0)
  const reservation = at(await by((tx) => reserveFefo(tx, wish(item, 6))), 0)
  const part = {
    reservationId: reservation.id,
    quantity: 2,
    refType: 'dispense_item',
    refId: randomUUID(),
    idempotencyKey: randomUUID(),
    patientId,
  }

  const taken = await by((tx) => consumeReservation(tx, part))
  const again = await by((tx) => consumeReservation(tx, part))

  assert.deepEqual(again, taken)
  assert.deepEqual([taken.kind, taken.quantity, taken.patientId], ['dispense', -2, patientId])
  assert.deepEqual(await balanceOf(batch), [8, 4])
  const more = { ...part, refId: randomUUID(), idempotencyKey: randomUUID() }
  await refused((tx) => consumeReservation(tx, { ...more, quantity: 5 }), 'IM504')
  const released = await by((tx) => releaseReservation(tx, reservation.id))
  assert.deepEqual(await by((tx) => releaseReservation(tx, reservation.id)), released)
  assert.deepEqual(await balanceOf(batch), [8, 0])
  await refused((tx) => consumeReservation(tx, more), 'IM504')
  await refused((tx) => releaseReservation(tx, randomUUID()), 'IM005')

  // a holder that does not come back in time
  const lapsing = at(await by((tx) => reserveFefo(tx, wish(item, 8))), 0)
  await refused((tx) => reserveFefo(tx, wish(item, 1)), 'IM500')
  await stores.superuser.query(
    `update inventory.stock_reservations set expires_at = now() - interval '1 second' where id = $1`,
    [lapsing.id],
  )
  const late = { ...more, reservationId: lapsing.id }
  await refused((tx) => consumeReservation(tx, late), 'IM504')
  const next = at(await by((tx) => reserveFefo(tx, wish(item, 8))), 0)
  const all = { ...more, reservationId: next.id, quantity: 8 }
  await by((tx) => consumeReservation(tx, all))
  await refused((tx) => releaseReservation(tx, next.id), 'IM504')
  assert.deepEqual(await balanceOf(batch), [0, 0])
  assert.equal(await by((tx) => expireReservations(tx)), 0)
})

test('expireReservations: gives back what nobody came for', async () => {
  const item = await addItem(stores)
  const batch = await addBatch(stores, { item, expiresIn: 30, quantity: 10 })
  for (const quantity of [2, 3]) await by((tx) => reserveFefo(tx, wish(item, quantity)))
  await stores.superuser.query(
    `update inventory.stock_reservations set expires_at = now() - interval '1 second' where item_id = $1`,
    [item],
  )

  const expired = await by((tx) => expireReservations(tx))

  assert.equal(expired, 2)
  assert.deepEqual(await balanceOf(batch), [10, 0])
})

test('transferStock: two rows a line, all lines or none, once per key', async () => {
  const item = await addItem(stores)
  const [first, second] = [
    await addBatch(stores, { item, expiresIn: 30, quantity: 10 }),
    await addBatch(stores, { item, expiresIn: 20, quantity: 10 }),
  ]
  const input = {
    fromLocationId: stores.store,
    toLocationId: stores.ward,
    lines: [
      { batchId: first, quantity: 4 },
      { batchId: second, quantity: 10 },
    ],
    refType: 'transfer',
    refId: randomUUID(),
    idempotencyKey: randomUUID(),
  }

  const rows = await by((tx) => transferStock(tx, input))
  const repeated = await by((tx) => transferStock(tx, input))

  assert.deepEqual(
    rows.map(({ kind, quantity }) => [kind, quantity]),
    [
      ['transfer_out', -4],
      ['transfer_in', 4],
      ['transfer_out', -10],
      ['transfer_in', 10],
    ],
  )
  assert.equal(rows[1]?.counterMovementId, rows[0]?.id)
  assert.deepEqual(repeated, rows)
  assert.deepEqual(
    [await balanceOf(first), await balanceOf(first, stores.ward)],
    [
      [6, 0],
      [4, 0],
    ],
  )
  const tooMuch = { ...input, refId: randomUUID(), idempotencyKey: randomUUID() }
  await refused((tx) => transferStock(tx, tooMuch), 'IM505')
  assert.deepEqual(await balanceOf(first), [6, 0], 'nothing of a refused transfer remains')
  const otherLines = { ...input, lines: [{ batchId: first, quantity: 1 }] }
  await refused((tx) => transferStock(tx, otherLines), 'IM011')
  await refused((tx) => transferStock(tx, { ...tooMuch, toLocationId: randomUUID() }), 'IM005')
  await refused((tx) => transferStock(tx, { ...tooMuch, toLocationId: stores.store }), '22023')
})

test('countAdjust: one counts, another approves, and movements since the count stay', async () => {
  const item = await addItem(stores)
  const batch = await addBatch(stores, { item, expiresIn: 30, quantity: 10 })
  const input = (more: Partial<CountAdjustInput> = {}): CountAdjustInput => ({
    storeLocationId: stores.store,
    batchId: batch,
    countedQty: 8,
    countedBy: stores.counter.staff,
    reasonCode: 'stock_count',
    countId: randomUUID(),
    idempotencyKey: randomUUID(),
    ...more,
  })
  await by((tx) => postMovement(tx, movement(batch, 1)))

  await refused((tx) => countAdjust(tx, input()), 'IM506', stores.counter)
  await refused((tx) => countAdjust(tx, input({ reasonCode: ' ' })), 'IM506')
  await refused((tx) => countAdjust(tx, input({ countedQty: NaN })), '22023')
  await refused((tx) => countAdjust(tx, input({ bookQty: NaN })), '22023')
  const count = input({ bookQty: 10 })
  const posted = await by((tx) => countAdjust(tx, count))
  assert.deepEqual(await by((tx) => countAdjust(tx, count)), posted)
  assert.deepEqual([posted?.kind, posted?.quantity, posted?.balanceAfter], ['adjust_down', -2, 7])

  // a count that found nothing stays without effect when it is repeated after other movements
  const right = input({ countedQty: 7 })
  assert.equal(await by((tx) => countAdjust(tx, right)), null)
  await by((tx) => postMovement(tx, movement(batch, 2)))
  assert.equal(await by((tx) => countAdjust(tx, right)), null)
  assert.deepEqual(await balanceOf(batch), [5, 0])
  await refused((tx) => countAdjust(tx, { ...right, countedQty: 6 }), 'IM011')
  const found = await by((tx) => countAdjust(tx, input({ countedQty: 6 })))
  assert.equal(found?.kind, 'adjust_up')
})

test('recallBatch: stops the batch, ends its promises and names who got it, again when asked again', async () => {
  const item = await addItem(stores)
  const batch = await addBatch(stores, { item, expiresIn: 30, quantity: 10 })
  const [one, two] = await addPatients(stores, 2)
  const give = (quantity: number, patientId: string, kind: PostMovementInput['kind'] = 'dispense') =>
    by((tx) =>
      postMovement(
        tx,
        movement(batch, quantity, { kind, patientId, reasonCode: 'unused', approvedBy: stores.approver.staff }),
      ),
    )
  await give(2, one ?? '')
  await give(3, two ?? '')
  await give(1, two ?? '', 'return_in')
  const reservation = at(await by((tx) => reserveFefo(tx, wish(item, 2))), 0)
  const recall = { batchId: batch, recallRef: 'RN-7', recallClass: 'I' } as const

  const patients = await by((tx) => recallBatch(tx, recall))

  const quantities = new Map<string | undefined, number>(
    patients.map(({ patientId, quantity }) => [patientId, quantity]),
  )
  assert.deepEqual(
    quantities,
    new Map([
      [one, 2],
      [two, 2],
    ]),
  )
  assert.deepEqual(await by((tx) => recallBatch(tx, recall)), patients)
  assert.deepEqual(await by((tx) => batchRecipients(tx, batch)), patients)
  assert.deepEqual(await balanceOf(batch), [6, 0])
  const events = await stores.superuser.query<{ patient: string | null }>(
    `select payload ->> 'patient_id' as patient from core.outbox_events
     where aggregate_id = $1 and event_type = 'stock.recalled.v1'`,
    [batch],
  )
  assert.deepEqual(new Set(events.map(({ patient }) => patient)), new Set([null, one, two]))
  await refused((tx) => postMovement(tx, movement(batch, 1)), 'IM502')
  await refused((tx) => reserveFefo(tx, wish(item, 1)), 'IM502')
  await refused((tx) => releaseReservation(tx, reservation.id).then(() => releaseBatch(tx, batch)), 'IM001')
  await refused((tx) => recallBatch(tx, { batchId: batch, recallRef: 'RN-8' }), 'IM001')
  await refused((tx) => recallBatch(tx, { batchId: batch, recallRef: ' ' }), 'IM002')
  await refused((tx) => recallBatch(tx, { batchId: randomUUID(), recallRef: 'RN-9' }), 'IM005')
})

test('batches: quarantine is released or rejected, a hold needs a reason', async () => {
  const item = await addItem(stores)
  const [good, bad] = [randomUUID(), randomUUID()]
  await by((tx) =>
    tx.query(
      `insert into inventory.batches (tenant_id, id, item_id, batch_no, expiry_on)
       values ($1, $2, $4, 'Q1', current_date + 9), ($1, $3, $4, 'Q2', current_date + 9)`,
      [stores.tenant, good, bad, item],
    ),
  )

  assert.equal((await by((tx) => releaseBatch(tx, good))).status, 'available')
  assert.equal((await by((tx) => releaseBatch(tx, good))).status, 'available')
  assert.equal((await by((tx) => rejectBatch(tx, bad, 'broken seal'))).status, 'rejected')
  assert.equal((await by((tx) => rejectBatch(tx, bad, 'broken seal'))).status, 'rejected')
  await refused((tx) => releaseBatch(tx, bad), 'IM001')
  await refused((tx) => holdBatch(tx, good, ''), 'IM002')
  await refused((tx) => holdBatch(tx, bad, 'complaint'), 'IM001')
  await refused((tx) => releaseBatch(tx, randomUUID()), 'IM005')
})

test('batches: the last day of one ends where the tenant is', async () => {
  const item = await addItem(stores)
  const { superuser, asSuperuser, tenant } = stores
  // one that is in another day than UTC now
  const [there] = await superuser.query<{ zone: string; today: string; before: string }>(
    `select zone, ((now() at time zone zone)::date)::text as today, t.timezone as before
     from core.tenants t, unnest(array['Etc/GMT+12', 'Pacific/Kiritimati']) zone
     where t.id = $1 and (now() at time zone zone)::date <> (now() at time zone 'UTC')::date
     limit 1`,
    [tenant],
  )
  const { zone = '', today = '', before: zoneBefore = '' } = there ?? {}
  const batch = async (daysAgo: number, status: string) => {
    const id = randomUUID()
    await asSuperuser(
      `insert into inventory.batches (tenant_id, id, item_id, batch_no, expiry_on)
       values ($1, $2, $3, $4, $5::date - $6::int)`,
      [tenant, id, item, `T${daysAgo}${status}`, today, daysAgo],
    )
    if (status !== 'quarantine')
      await asSuperuser('update inventory.batches set status = $2 where id = $1', [id, status])
    return id
  }
  const [good, over] = [await batch(0, 'available'), await batch(1, 'available')]
  const [waiting, tooLate] = [await batch(0, 'quarantine'), await batch(1, 'quarantine')]

  await asSuperuser('update core.tenants set timezone = $2 where id = $1', [tenant, zone])
  try {
    await by((tx) => expireBatches(tx))
    await refused((tx) => releaseBatch(tx, tooLate), 'IM501')
    assert.equal((await by((tx) => releaseBatch(tx, waiting))).status, 'available')
  } finally {
    await asSuperuser('update core.tenants set timezone = $2 where id = $1', [tenant, zoneBefore])
  }
  const states = await superuser.query(
    'select status from inventory.batches where id = any ($1) order by expiry_on desc',
    [[good, over]],
  )
  assert.deepEqual(states, [{ status: 'available' }, { status: 'expired' }])
})

test('announceExpiring: one event for a batch in stock, once', async () => {
  const item = await addItem(stores)
  const batch = await addBatch(stores, { item, expiresIn: 5, quantity: 1 })
  await addBatch(stores, { item, expiresIn: 6 }) // not in stock

  await by((tx) => announceExpiring(tx, 5))
  await by((tx) => announceExpiring(tx, 5))

  const events = await stores.superuser.query(
    `select aggregate_id as batch from core.outbox_events e join inventory.batches b on b.id = e.aggregate_id
     where e.event_type = 'stock.expiring.v1' and b.item_id = $1`,
    [item],
  )
  assert.deepEqual(events, [{ batch }])
})

async function addSupplier(changes: Record<string, unknown> = {}): Promise<string> {
  const id = randomUUID()
  const row = { tenant_id: stores.tenant, id, code: id.replaceAll(/\d/g, 'x'), name: 'Test', ...changes }
  const places = Object.keys(row).map((_, index) => `$${index + 1}`)
  await by((tx) =>
    tx.query(
      `insert into inventory.suppliers (${Object.keys(row).join(', ')}) values (${places.join(', ')})`,
      Object.values(row),
    ),
  )
  return id
}

async function sentOrder(supplierId: string, itemId: string, quantity: number): Promise<string> {
  const id = randomUUID()
  const lines = [{ itemId, quantity, unitPrice: '2.50', taxRate: 12 }]
  await by((tx) => createPurchaseOrder(tx, { id, supplierId, storeLocationId: stores.store, lines }))
  await by((tx) => submitPurchaseOrder(tx, id))
  await by((tx) => decidePurchaseOrder(tx, id, true), stores.approver)
  await by((tx) => sendPurchaseOrder(tx, id))
  return id
}

function delivery(supplierId: string, itemId: string, more: Partial<ReceiveGoodsInput> = {}): ReceiveGoodsInput {
  return {
    id: randomUUID(),
    supplierId,
    storeLocationId: stores.store,
    invoiceNo: randomUUID().replaceAll(/\d/g, 'x'),
    invoiceOn: '2025-11-01',
    lines: [
      { itemId, batchNo: 'L1', expiryOn: '2099-01-31', acceptedQty: 60, freeQty: 6, unitPrice: '2.50', taxRate: 12 },
    ],
    ...more,
  }
}

test('purchase orders: drafted, submitted, approved by another, sent, or ended with a reason', async () => {
  const [supplierId, itemId] = [await addSupplier(), await addItem(stores)]
  const lines = [{ itemId, quantity: 100, unitPrice: '2.50', taxRate: 12 }]
  const input = { id: randomUUID(), supplierId, storeLocationId: stores.store, lines }

  const draft = await by((tx) => createPurchaseOrder(tx, input))
  assert.deepEqual(await by((tx) => createPurchaseOrder(tx, input)), draft)
  assert.deepEqual([draft.status, draft.total, draft.currency], ['draft', '280.00', 'INR'])
  assert.match(draft.poNumber, /^PO-\d\d-\d{6}$/)
  await by((tx) => submitPurchaseOrder(tx, input.id))
  await refused((tx) => decidePurchaseOrder(tx, input.id, true), 'IM506')
  await refused((tx) => decidePurchaseOrder(tx, input.id, false), 'IM002', stores.approver)
  const approved = await by((tx) => decidePurchaseOrder(tx, input.id, true), stores.approver)
  assert.deepEqual([approved.status, approved.approvedBy], ['approved', stores.approver.staff])
  await refused((tx) => submitPurchaseOrder(tx, input.id), 'IM001')
  await refused((tx) => cancelPurchaseOrder(tx, input.id, ''), 'IM002')
  assert.equal((await by((tx) => cancelPurchaseOrder(tx, input.id, 'not needed'))).status, 'cancelled')
  await refused((tx) => sendPurchaseOrder(tx, input.id), 'IM001')
  await refused((tx) => closePurchaseOrder(tx, input.id, 'x'), 'IM001')
  await refused((tx) => submitPurchaseOrder(tx, randomUUID()), 'IM005')

  const blocked = await addSupplier({ licence_valid_to: '2020-01-01' })
  await refused((tx) => createPurchaseOrder(tx, { ...input, id: randomUUID(), supplierId: blocked }), 'IM006')
  await refused((tx) => createPurchaseOrder(tx, { ...input, id: randomUUID(), supplierId: randomUUID() }), 'IM005')
})

test('goods receipts: stock appears when inspected goods are posted, and the order counts them', async () => {
  const [supplierId, itemId] = [await addSupplier(), await addItem(stores, { min_shelf_life_days: 90 })]
  const poId = await sentOrder(supplierId, itemId, 100)
  const first = delivery(supplierId, itemId, { poId })

  const draft = await by((tx) => receiveGoods(tx, first))
  assert.deepEqual(await by((tx) => receiveGoods(tx, first)), draft)
  assert.deepEqual([draft.status, draft.total], ['draft', '168.00'])
  await refused((tx) => postGoodsReceipt(tx, first.id), 'IM001')
  await refused((tx) => receiveGoods(tx, { ...first, id: randomUUID() }), '23505')
  await by((tx) => inspectGoods(tx, first.id), stores.approver)
  await by((tx) => postGoodsReceipt(tx, first.id))
  await by((tx) => postGoodsReceipt(tx, first.id))

  const stock = () =>
    stores.superuser.query(
      `select t.batch_no, t.status, b.on_hand::float8 as on_hand from inventory.stock_balances b
       join inventory.batches t on t.id = b.batch_id where b.item_id = $1 order by t.batch_no`,
      [itemId],
    )
  assert.deepEqual(await stock(), [{ batch_no: 'L1', status: 'available', on_hand: 66 }])

  // the rest tops up the same batch and makes another
  const second = delivery(supplierId, itemId, {
    poId,
    lines: [
      { itemId, batchNo: 'L1', expiryOn: '2099-01-31', acceptedQty: 20, unitPrice: '2.50' },
      { itemId, batchNo: 'L2', expiryOn: '2099-02-28', acceptedQty: 20, unitPrice: '2.50' },
    ],
  })
  await by((tx) => receiveGoods(tx, second))
  await by((tx) => inspectGoods(tx, second.id))
  await by((tx) => postGoodsReceipt(tx, second.id))
  assert.deepEqual(
    (await stock()).map((row) => (row as { on_hand: number }).on_hand),
    [86, 20],
  )
  const [order] = await by((tx) => tx.query('select status from inventory.purchase_orders where id = $1', [poId]))
  assert.deepEqual(order, { status: 'received' })
  await refused((tx) => receiveGoods(tx, delivery(supplierId, itemId, { poId })), 'IM001')
})

test('goods receipts: a line counts for a line of its order and item, and two lines of an item for two', async () => {
  const [supplierId, itemId, otherItemId] = [await addSupplier(), await addItem(stores), await addItem(stores)]
  const poId = randomUUID()
  const ordered = { itemId, quantity: 50, unitPrice: '2.50' }
  await by((tx) =>
    createPurchaseOrder(tx, { id: poId, supplierId, storeLocationId: stores.store, lines: [ordered, ordered] }),
  )
  await by((tx) => submitPurchaseOrder(tx, poId))
  await by((tx) => decidePurchaseOrder(tx, poId, true), stores.approver)
  await by((tx) => sendPurchaseOrder(tx, poId))
  const lineOf = async (order: string) => {
    const [line] = await by((tx) =>
      tx.query<{ id: string }>('select id from inventory.purchase_order_items where po_id = $1 order by line_no', [
        order,
      ]),
    )
    return line?.id ?? ''
  }
  const goods = { itemId, batchNo: 'L1', expiryOn: '2099-01-31', acceptedQty: 50, unitPrice: '2.50' }
  const foreign = { ...goods, poItemId: await lineOf(await sentOrder(supplierId, itemId, 50)) }
  const wrongItem = { ...goods, itemId: otherItemId, poItemId: await lineOf(poId) }

  await refused((tx) => receiveGoods(tx, delivery(supplierId, itemId, { poId, lines: [foreign] })), 'IM005')
  await refused((tx) => receiveGoods(tx, delivery(supplierId, itemId, { lines: [foreign] })), 'IM005')
  await refused((tx) => receiveGoods(tx, delivery(supplierId, itemId, { poId, lines: [wrongItem] })), 'IM005')
  const both = delivery(supplierId, itemId, { poId, lines: [goods, { ...goods, batchNo: 'L2' }] })
  await by((tx) => receiveGoods(tx, both))
  await by((tx) => inspectGoods(tx, both.id))
  await by((tx) => postGoodsReceipt(tx, both.id))
  const received = await by((tx) =>
    tx.query('select received_qty::int as quantity from inventory.purchase_order_items where po_id = $1', [poId]),
  )

  assert.deepEqual(received, [{ quantity: 50 }, { quantity: 50 }])
})

test('goods receipts: short shelf life, a broken cold chain, too much and recalled goods are refused', async () => {
  const [supplierId, itemId] = [await addSupplier(), await addItem(stores, { min_shelf_life_days: 90 })]
  const soon = new Date(Date.now() + 80 * 86_400_000).toISOString().slice(0, 10)
  const line = { itemId, batchNo: 'L9', expiryOn: soon, unitPrice: '1.00' }
  const accepted = delivery(supplierId, itemId, { lines: [{ ...line, acceptedQty: 5 }] })
  const sentBack = delivery(supplierId, itemId, { lines: [{ ...line, rejectedQty: 5, rejectReason: 'short' }] })

  await refused((tx) => receiveGoods(tx, accepted), 'IM530')
  await by((tx) => receiveGoods(tx, sentBack))
  assert.equal((await by((tx) => refuseGoods(tx, sentBack.id, 'sent back'))).status, 'cancelled')

  const warm = delivery(supplierId, itemId)
  await by((tx) => receiveGoods(tx, warm))
  await by((tx) => inspectGoods(tx, warm.id, false))
  await refused((tx) => postGoodsReceipt(tx, warm.id), 'IM006')
  await refused((tx) => refuseGoods(tx, warm.id, ''), 'IM002')
  assert.equal((await by((tx) => refuseGoods(tx, warm.id, 'warm'))).status, 'rejected')

  const poId = await sentOrder(supplierId, itemId, 40)
  const tooMuch = delivery(supplierId, itemId, { poId })
  await by((tx) => receiveGoods(tx, tooMuch))
  await by((tx) => inspectGoods(tx, tooMuch.id))
  await refused((tx) => postGoodsReceipt(tx, tooMuch.id), '23514')

  const good = delivery(supplierId, itemId, { invoiceNo: tooMuch.invoiceNo })
  await by((tx) => refuseGoods(tx, tooMuch.id, 'too much'))
  await by((tx) => receiveGoods(tx, good))
  await by((tx) => inspectGoods(tx, good.id))
  await by((tx) => postGoodsReceipt(tx, good.id))
  const [batch] = await by((tx) =>
    tx.query<{ id: string }>('select id from inventory.batches where item_id = $1', [itemId]),
  )
  await by((tx) => recallBatch(tx, { batchId: batch?.id ?? '', recallRef: 'RN-1' }))
  const more = delivery(supplierId, itemId)
  await by((tx) => receiveGoods(tx, more))
  await by((tx) => inspectGoods(tx, more.id))
  await refused((tx) => postGoodsReceipt(tx, more.id), 'IM502')
})

test('indents: asked, approved by another, issued in parts first expired first, received', async () => {
  const [itemId, other] = [await addItem(stores), await addItem(stores)]
  const early = await addBatch(stores, { item: itemId, expiresIn: 10, quantity: 4 })
  const late = await addBatch(stores, { item: itemId, expiresIn: 50, quantity: 2 })
  const id = randomUUID()
  const input = {
    id,
    fromLocationId: stores.store,
    toLocationId: stores.ward,
    lines: [
      { itemId, quantity: 12 },
      { itemId: other, quantity: 1 },
    ],
  }

  const asked = await by((tx) => requestIndent(tx, input))
  assert.deepEqual(await by((tx) => requestIndent(tx, input)), asked)
  assert.equal(asked.status, 'submitted')
  await refused((tx) => issueIndent(tx, { indentId: id, idempotencyKey: randomUUID() }), 'IM001')
  await refused((tx) => receiveIndent(tx, { indentId: id }), 'IM001')
  await refused((tx) => decideIndent(tx, { indentId: id, approve: true }), 'IM506')
  const lines = [{ itemId, quantity: 9 }]
  await by((tx) => decideIndent(tx, { indentId: id, approve: true, lines }), stores.approver)

  const key = randomUUID()
  const issued = await by((tx) => issueIndent(tx, { indentId: id, idempotencyKey: key }))
  assert.deepEqual(await by((tx) => issueIndent(tx, { indentId: id, idempotencyKey: key })), issued)
  assert.deepEqual(
    issued.map(({ batchId, quantity }) => [batchId, quantity]),
    [
      [early, -4],
      [late, -2],
    ],
  )
  await refused((tx) => issueIndent(tx, { indentId: id, idempotencyKey: randomUUID() }), 'IM500')
  await refused((tx) => issueIndent(tx, { indentId: id, idempotencyKey: key, lines }), 'IM011')

  // one of the four was lost on the way; later the rest is issued from a batch that was issued before
  const arrived = issued.map((row) => ({ movementId: row.id, quantity: row.batchId === early ? 3 : 2 }))
  const received = await by((tx) => receiveIndent(tx, { indentId: id, lines: arrived }))
  assert.deepEqual(await by((tx) => receiveIndent(tx, { indentId: id })), received)
  await by((tx) =>
    postMovement(tx, movement(late, 5, { kind: 'return_in', reasonCode: 'unused', approvedBy: stores.approver.staff })),
  )
  await by((tx) => issueIndent(tx, { indentId: id, idempotencyKey: randomUUID() }))
  const all = await by((tx) => receiveIndent(tx, { indentId: id }))

  assert.deepEqual(
    all.map(({ batchId, quantity }) => [batchId, quantity]),
    [
      [early, 3],
      [late, 2],
      [late, 3],
    ],
  )
  assert.deepEqual(
    [await balanceOf(early, stores.ward), await balanceOf(late, stores.ward)],
    [
      [3, 0],
      [5, 0],
    ],
  )
  const [row] = await by((tx) =>
    tx.query(
      `select i.status, l.issued_qty::float8 as issued, l.received_qty::float8 as received
       from inventory.indents i join inventory.indent_items l on l.indent_id = i.id and l.item_id = $2
       where i.id = $1`,
      [id, itemId],
    ),
  )
  assert.deepEqual(row, { status: 'received', issued: 9, received: 8 })
  await refused((tx) => cancelIndent(tx, id, 'x'), 'IM001')
})

test('indents: the same key gives the same movements in the same order', async () => {
  const itemId = await addItem(stores)
  const batches: string[] = []
  for (let n = 1; n <= 8; n++) batches.push(await addBatch(stores, { item: itemId, expiresIn: 10 * n, quantity: 1 }))
  const lines = [{ itemId, quantity: 8 }]
  const input = { id: randomUUID(), fromLocationId: stores.store, toLocationId: stores.ward, lines }
  await by((tx) => requestIndent(tx, input))
  await by((tx) => decideIndent(tx, { indentId: input.id, approve: true }), stores.approver)

  const key = randomUUID()
  const issued = await by((tx) => issueIndent(tx, { indentId: input.id, idempotencyKey: key }))
  const again = await by((tx) => issueIndent(tx, { indentId: input.id, idempotencyKey: key }))

  assert.deepEqual(
    issued.map(({ batchId }) => batchId),
    batches,
  )
  assert.deepEqual(again, issued)
})

test('indents: rejected and cancelled with a reason, closed short when the rest will not come', async () => {
  const itemId = await addItem(stores)
  await addBatch(stores, { item: itemId, expiresIn: 10, quantity: 1 })
  const ask = async () => {
    const id = randomUUID()
    const places = { fromLocationId: stores.store, toLocationId: stores.ward }
    await by((tx) => requestIndent(tx, { id, ...places, lines: [{ itemId, quantity: 2 }] }))
    return id
  }
  const [rejected, cancelled, short] = [await ask(), await ask(), await ask()]

  await refused((tx) => decideIndent(tx, { indentId: rejected, approve: false }), 'IM002', stores.approver)
  const no = { indentId: rejected, approve: false, reason: 'ask the other store' }
  assert.equal((await by((tx) => decideIndent(tx, no), stores.approver)).status, 'rejected')
  await refused((tx) => cancelIndent(tx, cancelled, ''), 'IM002')
  assert.equal((await by((tx) => cancelIndent(tx, cancelled, 'not needed'))).status, 'cancelled')
  await by((tx) => decideIndent(tx, { indentId: short, approve: true }), stores.approver)
  await by((tx) => issueIndent(tx, { indentId: short, idempotencyKey: randomUUID() }))
  assert.equal((await by((tx) => cancelIndent(tx, short, 'out of stock'))).status, 'closed_short')
  assert.equal((await by((tx) => receiveIndent(tx, { indentId: short }))).length, 1)
  await refused((tx) => cancelIndent(tx, randomUUID(), 'x'), 'IM005')
})
