import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import { contextOf } from '../support/tenants.ts'
import { addBatch, addItem, openStores, type Stores } from './stores.fixture.ts'

let stores: Stores
let item: string
let batch: string

before(async () => {
  stores = await openStores()
  item = await addItem(stores)
  batch = await addBatch(stores, { item, expiresIn: 30, quantity: 10 })
})
after(() => stores.close())

/** As superuser: what no grant, only the table itself refuses. */
function breaks(rule: string, sql: string, params: unknown[] = []): Promise<void> {
  return assert.rejects(stores.asSuperuser(sql, params), (error: Error & { constraint?: string }) => {
    assert.equal(error.constraint ?? error.message, rule)
    return true
  })
}

const insertItem = (columns: string, values: string) =>
  `insert into inventory.items (tenant_id, sku, name, kind, base_unit${columns}) values ($1, 'X', 'X'${values})`

test('items: drugs and implants have batches, packs a unit and a size, controlled items are drugs', async () => {
  const { tenant } = stores

  await breaks('items_traceable_kinds_have_batches', insertItem(', is_batch_tracked', `, 'implant', 'piece', false`), [
    tenant,
  ])
  await breaks('items_pack_has_unit_and_size', insertItem(', pack_unit', `, 'linen', 'piece', 'box'`), [tenant])
  await breaks('items_pack_has_unit_and_size', insertItem(', pack_unit, pack_size', `, 'linen', 'piece', 'box', 0`), [
    tenant,
  ])
  await breaks('items_controlled_are_drugs', insertItem(', is_controlled', `, 'linen', 'piece', true`), [tenant])
  await breaks('items_gst_rate_check', insertItem(', gst_rate', `, 'linen', 'piece', 41`), [tenant])
  await breaks('items_hsn_format', insertItem(', hsn', `, 'linen', 'piece', '30A'`), [tenant])
})

test('suppliers: GSTIN and IFSC are checked, blocking needs a reason', async () => {
  const insert = (column: string, value: string) =>
    stores.asSuperuser(`insert into inventory.suppliers (tenant_id, code, name, ${column}) values ($1, $2, 'X', $3)`, [
      stores.tenant,
      `C-${column}`,
      value,
    ])

  await assert.rejects(insert('gstin', '27AAPFU0939F1ZO'), { constraint: 'suppliers_gstin_valid' })
  await assert.rejects(insert('ifsc', 'SBIN1000300'), { constraint: 'suppliers_ifsc_valid' })
  await assert.rejects(insert('rating', '5.01'), { constraint: 'suppliers_rating_check' })
  await insert('gstin', '27AAPFU0939F1ZV')
  await assert.rejects(stores.asSuperuser(`update inventory.suppliers set status = 'blocked'`, []), {
    sqlstate: 'IM002',
  })
})

test('batches: expire after manufacture, are recalled by a notice, and keep their expiry while there is stock', async () => {
  const insert = `insert into inventory.batches (tenant_id, item_id, batch_no, expiry_on, mfg_on, mrp, gtin)
    values ($1, $2, $3, '2090-01-01', $4, $5, $6)`
  const values = (...more: unknown[]) => [stores.tenant, item, ...more]

  await breaks('batches_expire_after_manufacture', insert, values('A', '2090-01-01', null, null))
  await breaks('batches_gtin_valid', insert, values('A', null, null, '4006381333932'))
  await breaks('batches_batch_no_not_blank', insert, values(' ', null, null, null))
  await stores.asSuperuser(insert, values('A', null, null, null))
  await breaks('batches_item_batch_no_key', insert, values('A', null, null, null))
  await stores.asSuperuser(insert, values('A', null, '9.90', null)) // another price, another batch
  await breaks('stock_balances_batch_fkey', 'update inventory.batches set expiry_on = expiry_on + 1 where id = $1', [
    batch,
  ])
  await assert.rejects(stores.asSuperuser(`update inventory.batches set status = 'hold' where id = $1`, [batch]), {
    sqlstate: 'IM002',
  })
})

test('balances: never negative, never more promised than there, always of the batch that they name', async () => {
  const set = (change: string) => `update inventory.stock_balances set ${change} where batch_id = $1`

  await breaks('stock_balances_on_hand_not_negative', set('on_hand = -1, reserved = -2'), [batch])
  await breaks('stock_balances_reserved_not_negative', set('reserved = -1'), [batch])
  await breaks('stock_balances_reserved_is_on_hand', set('reserved = on_hand + 1'), [batch])
  await breaks('stock_balances_batch_fkey', set('expiry_on = expiry_on + 1'), [batch])
})

test('ledger: sign, approval and key are what they must be, and no row ever changes', async () => {
  const insert = `insert into inventory.stock_movements (
      tenant_id, kind, store_location_id, item_id, batch_id, quantity, balance_after, unit_cost, ref_type, ref_id,
      idempotency_key, reason_code
    ) values ($1, $2, $3, $4, $5, $6, $7, 0, 'test', $8, $9, 'x')`
  const values = (kind: string, quantity: number, after = 1, key: string = randomUUID()) => [
    stores.tenant,
    kind,
    stores.store,
    item,
    batch,
    quantity,
    after,
    randomUUID(),
    key,
  ]

  await breaks('stock_movements_sign_of_kind', insert, values('issue', 1))
  await breaks('stock_movements_sign_of_kind', insert, values('receipt', -1))
  await breaks('stock_movements_balance_not_negative', insert, values('issue', -1, -1))
  await breaks('stock_movements_losses_are_approved', insert, values('adjust_down', -1))
  await breaks('stock_movements_idempotency_key_length', insert, values('issue', -1, 1, 'short'))
  await breaks('stock_movements_idempotency_key_key', insert, values('issue', -1, 1, `opening:${batch}`))
  await assert.rejects(stores.asSuperuser('update inventory.stock_movements set quantity = 2', []), {
    sqlstate: 'IM006',
  })
  await assert.rejects(stores.asSuperuser('delete from inventory.stock_movements', []), { sqlstate: 'IM006' })
})

test('operations own the stock: an application role may neither write balances nor the ledger', async () => {
  for (const statement of [
    'update inventory.stock_balances set on_hand = 99',
    'insert into inventory.stock_movements (tenant_id) values (null)',
    `update inventory.stock_reservations set status = 'released'`,
    `update inventory.batches set status = 'available'`,
    `update inventory.purchase_orders set status = 'approved'`,
    `insert into inventory.goods_receipt_items (tenant_id) values (null)`,
  ]) {
    await assert.rejects(
      stores.by((tx) => tx.query(statement)),
      { sqlstate: '42501' },
      statement,
    )
  }
})

test('orders and indents: who asks does not approve, whatever writes', async () => {
  const { tenant, store, ward, asker } = stores
  const [supplier] = (await stores.asSuperuser(
    `insert into inventory.suppliers (tenant_id, code, name) values ($1, 'FOUR-EYES', 'X') returning id`,
    [tenant],
  )) as [{ id: string }]

  await breaks(
    'purchase_orders_approved_by_another',
    `insert into inventory.purchase_orders (
       tenant_id, po_number, currency, supplier_id, store_location_id, ordered_by, approved_by
     )
     values ($1, 'P', 'INR', $2, $3, $4, $4)`,
    [tenant, supplier.id, store, asker.staff],
  )
  await breaks(
    'indents_approved_by_another',
    `insert into inventory.indents (tenant_id, indent_number, from_location_id, to_location_id, requested_by, approved_by)
     values ($1, 'I', $2, $3, $4, $4)`,
    [tenant, store, ward, asker.staff],
  )
  await breaks(
    'indents_between_two_places',
    `insert into inventory.indents (tenant_id, indent_number, from_location_id, to_location_id, requested_by)
     values ($1, 'I', $2, $2, $3)`,
    [tenant, store, asker.staff],
  )
})

test('views: expiring stock within the warning, and what can be given out without blocked batches', async () => {
  const other = await addItem(stores)
  const soon = await addBatch(stores, { item: other, expiresIn: 20, quantity: 4 })
  const held = await addBatch(stores, { item: other, expiresIn: 400, quantity: 6 })
  await stores.by((tx) => tx.query(`select inventory.hold_batch($1, 'complaint')`, [held]))

  const expiring = await stores.by((tx) =>
    tx.query(
      `select batch_id, days_left, on_hand::text, value::text from inventory.expiring_stock where item_id = $1`,
      [other],
    ),
  )
  const levels = await stores.by((tx) =>
    tx.query(`select on_hand::text, available::text from inventory.stock_levels where item_id = $1`, [other]),
  )

  assert.deepEqual(expiring, [{ batch_id: soon, days_left: 20, on_hand: '4.000', value: '10.00' }])
  assert.deepEqual(levels, [{ on_hand: '10.000', available: '4.000' }])
})

test('views: what expires today is there until the day ends where the tenant is', async () => {
  const item = await addItem(stores)
  const batch = await addBatch(stores, { item, expiresIn: 20, quantity: 4 })

  const seen = await withTenant(stores.superuser, contextOf(stores.tenant), async (tx) => {
    // one of the two is in another day than the tenant was
    const [there] = await tx.query<{ before: string; difference: number }>(
      `with o as (select id, timezone as before from core.tenants where id = core.require_tenant())
       update core.tenants t
       set timezone = z.zone
       from o, unnest(array['Etc/GMT+12', 'Pacific/Kiritimati']) as z (zone)
       where t.id = o.id and (now() at time zone z.zone)::date <> core.tenant_today()
       returning o.before, (now() at time zone z.zone)::date - core.tenant_today() as difference`,
    )
    const [row] = await tx.query<{ days_left: number }>(
      `select days_left from inventory.expiring_stock where batch_id = $1`,
      [batch],
    )
    await tx.query('update core.tenants set timezone = $1 where id = core.require_tenant()', [there?.before])
    return { daysLeft: row?.days_left, difference: there?.difference }
  })

  assert.equal(seen.daysLeft, 20 - (seen.difference ?? 0))
})
