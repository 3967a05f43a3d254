import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import {
  bringToBench,
  holdLaboratory,
  orderOnBench,
  orderTests,
  statusOf,
  type Laboratory,
} from '../../packages/domain/src/laboratory/laboratory.fixture.ts'
import { cancelLabOrder, cancelLabOrderItem, placeLabOrder } from '../../packages/domain/src/laboratory/orders.ts'
import { issueLabReport } from '../../packages/domain/src/laboratory/reports.ts'
import {
  authoriseResult,
  correctResult,
  enterResult,
  verifyResult,
} from '../../packages/domain/src/laboratory/results.ts'
import { accessionOrder, changeSampleState } from '../../packages/domain/src/laboratory/samples.ts'
import { at } from '../races/clinic.fixture.ts'
import { contextOf, moveToAnotherDay } from '../support/tenants.ts'

let laboratory: Laboratory
let close: () => Promise<void>

before(async () => {
  const held = await holdLaboratory()
  laboratory = held.laboratory
  close = held.close
})
after(() => close())

test('place_order: a panel is charged once, a test once; without an open account the order is taken all the same', async () => {
  const { asFirst, patientId, doctorId, hospital } = laboratory
  const encounterId = await openEncounter()
  const order = { patientId, codes: ['KNA', 'HB'], encounterId, orderingDoctorId: doctorId }
  await asSuperuser(
    `insert into billing.charge_master (tenant_id, code, name, kind, base_price)
     values ($1, 'KNA', 'Electrolytes', 'lab', 300), ($1, 'HB', 'Haemoglobin', 'lab', 100)`,
    [hospital.tenant],
  )

  const unbilled = await asFirst((tx) => placeLabOrder(tx, order))
  await asSuperuser(`select from billing.open_account($1, $2)`, [patientId, encounterId])
  const billed = await asFirst((tx) => placeLabOrder(tx, order))

  assert.equal(unbilled.billedAt, null)
  assert.notEqual(billed.billedAt, null)
  const charges = await hospital.admin.query(
    `select c.code, count(distinct i.charge_item_id)::int as charges, count(*)::int as items
     from laboratory.lab_order_items i
     join billing.charge_items b on b.tenant_id = i.tenant_id and b.id = i.charge_item_id
     join billing.charge_master c on c.tenant_id = b.tenant_id and c.id = b.charge_id
     where i.order_id = $1
     group by c.code
     order by c.code`,
    [billed.id],
  )
  assert.deepEqual(charges, [
    { code: 'HB', charges: 1, items: 1 },
    { code: 'KNA', charges: 1, items: 2 },
  ])
})

test('place_order: a test that an ordered panel holds is not charged beside it, in whatever order they are named', async () => {
  const { asFirst, patientId, doctorId } = laboratory
  const encounterId = await openEncounter()
  await asSuperuser(`select from billing.open_account($1, $2)`, [patientId, encounterId])
  await price('K', 'KNA')

  for (const codes of [
    ['K', 'KNA'],
    ['KNA', 'K'],
  ]) {
    const order = await asFirst((tx) =>
      placeLabOrder(tx, { patientId, codes, encounterId, orderingDoctorId: doctorId }),
    )
    assert.deepEqual(await chargesOf(order.id), ['KNA billable', 'KNA billable'])
  }
})

test('place_order: a panel whose tests all lie in other ordered panels is not charged, whatever order they are named in', async () => {
  const { asFirst, patientId, doctorId } = laboratory
  const encounterId = await openEncounter()
  await asSuperuser(`select from billing.open_account($1, $2)`, [patientId, encounterId])
  await addPanel('ALL3', ['HB', 'K', 'NA'])
  await addPanel('HBK', ['HB', 'K'])
  await addPanel('EMPTY', [])
  await price('KNA', 'ALL3', 'HBK', 'HB', 'EMPTY')
  const charged = async (codes: string[]) => {
    const order = await asFirst((tx) =>
      placeLabOrder(tx, { patientId, codes, encounterId, orderingDoctorId: doctorId }),
    )
    return chargesFrom(order.id)
  }

  assert.deepEqual(await charged(['ALL3', 'KNA']), ['ALL3'])
  assert.deepEqual(await charged(['KNA', 'ALL3', 'HB']), ['ALL3'])
  assert.deepEqual(await charged(['KNA', 'HBK', 'ALL3']), ['ALL3'])
  assert.deepEqual(await charged(['KNA', 'KNA']), ['KNA'])
  assert.deepEqual(await charged(['KNA', 'HBK']), ['HBK', 'KNA'], 'each holds a test that the other has not')
  await assert.rejects(charged(['HB', 'EMPTY']), { sqlstate: 'IM005' })
})

test('cancel_order_item: takes its charge back, a panel with its last test; what is on a bill asks for a credit note', async () => {
  const { asFirst, patientId, doctorId, hospital } = laboratory
  const encounterId = await openEncounter()
  const [account] = await hospital.run((tx) =>
    tx.query<{ id: string }>(`select id from billing.open_account($1, $2)`, [patientId, encounterId]),
  )
  await price('HB', 'KNA')
  const place = (codes: string[]) =>
    asFirst((tx) => placeLabOrder(tx, { patientId, codes, encounterId, orderingDoctorId: doctorId }))
  const [order, billed] = [await place(['HB', 'KNA']), await place(['HB'])]
  const [haemoglobin, potassium, sodium] = await itemsOf(order.id)
  const requests = () =>
    hospital.admin.query(
      `select aggregate_id = any (select charge_item_id from laboratory.lab_order_items where order_id = $1) as "isOfBill"
       from core.outbox_events where event_type = 'charge.credit_requested.v1'`,
      [billed.id],
    )

  await asFirst((tx) => cancelLabOrderItem(tx, potassium ?? '', 'ordered twice'))
  assert.deepEqual(await chargesOf(order.id), ['HB billable', 'KNA billable', 'KNA billable'])
  await asFirst((tx) => cancelLabOrderItem(tx, sodium ?? '', 'ordered twice'))
  assert.deepEqual(await chargesOf(order.id), ['HB billable', 'KNA aborted', 'KNA aborted'])
  await asFirst((tx) => cancelLabOrderItem(tx, haemoglobin ?? '', 'ordered twice'))
  assert.deepEqual(await chargesOf(order.id), ['HB aborted', 'KNA aborted', 'KNA aborted'])
  assert.deepEqual(await requests(), [])

  await hospital.run((tx) => tx.query(`select from billing.issue_invoice($1)`, [account?.id]))
  const cancelled = await asFirst((tx) => cancelLabOrder(tx, billed.id, 'the patient left'))

  assert.equal(cancelled.status, 'cancelled')
  assert.deepEqual(await chargesOf(billed.id), ['HB billed'])
  assert.deepEqual(await requests(), [{ isOfBill: true }])
})

test('place_order: a service request that two clients order at once gets one laboratory order', async () => {
  const { asFirst, patientId, doctorId, staff, hospital } = laboratory
  const encounterId = await openEncounter()
  const serviceRequestId = randomUUID()
  await asSuperuser(
    `insert into clinical.service_requests (
       tenant_id, id, order_number, patient_id, encounter_id, category, code_system, code, display, intent, priority,
       requester_id, requested_at
     )
     values ($1, $2, 'T-1', $3, $4, 'laboratory', 'local', 'HB', 'Haemoglobin', 'order', 'routine', $5, now())`,
    [hospital.tenant, serviceRequestId, patientId, encounterId, staff[0]],
  )
  const order = { patientId, codes: ['HB'], encounterId, orderingDoctorId: doctorId, serviceRequestId }

  await assert.rejects(
    asFirst((tx) => placeLabOrder(tx, order)),
    { sqlstate: 'IM005' },
    'a draft is no order',
  )
  await asSuperuser(`update clinical.service_requests set status = 'active' where id = $1`, [serviceRequestId])
  const orders = await Promise.all(Array.from({ length: 6 }, () => asFirst((tx) => placeLabOrder(tx, order))))

  assert.equal(new Set(orders.map(({ id }) => id)).size, 1)
})

test('a lost sample is collected again, an order that was cancelled in part completes with the rest', async () => {
  const { asFirst } = laboratory
  const { orderId, samples } = await orderTests(laboratory, ['HB'])
  const sampleId = at(samples, 0).id
  await asFirst((tx) => changeSampleState(tx, { sampleId, to: 'collected', patientIdCheck: 'two_identifiers' }))

  await assert.rejects(
    asFirst((tx) => changeSampleState(tx, { sampleId, to: 'lost' })),
    { sqlstate: 'IM301' },
  )
  await asFirst((tx) => changeSampleState(tx, { sampleId, to: 'lost', reasonCode: 'not_found' }))

  assert.equal(await statusOf(laboratory, orderId), 'in_progress: recollect')
  const all = await asFirst((tx) => accessionOrder(tx, orderId))
  assert.deepEqual(
    all.map(({ status }) => status),
    ['lost', 'planned'],
  )
  await assert.rejects(
    asFirst((tx) => changeSampleState(tx, { sampleId: at(all, 1).id, to: 'cancelled' })),
    { sqlstate: 'IM300' },
    'tests wait for it',
  )
})

test('storage: one sample a position; disposal waits for the date, and for a legal hold whatever the reason', async () => {
  const { asFirst, hospital } = laboratory
  const locationId = randomUUID()
  await asSuperuser(
    `insert into facility.locations (tenant_id, id, clinic_id, kind, code, name)
     values ($1, $2, $3, 'cold_store', 'FR-1', 'Fridge')`,
    [hospital.tenant, locationId, hospital.clinicId],
  )
  const [one, two] = [await orderOnBench(laboratory, ['HB']), await orderOnBench(laboratory, ['HB'])]
  const store = (sampleId: string) =>
    asFirst((tx) => changeSampleState(tx, { sampleId, to: 'stored', locationId, storagePosition: 'A1' }))
  const dispose = (sampleId: string, reasonCode?: string) =>
    asFirst((tx) => changeSampleState(tx, { sampleId, to: 'disposed', ...(reasonCode ? { reasonCode } : {}) }))
  const sampleId = at(one.samples, 0).id

  await store(sampleId)
  await assert.rejects(store(at(two.samples, 0).id), { constraint: 'samples_one_per_position' })
  await assert.rejects(dispose(sampleId), { sqlstate: 'IM002' })
  const disposed = await dispose(sampleId, 'spilled')

  assert.equal(disposed.toStatus, 'disposed')
  await store(at(two.samples, 0).id)
  const held = at(two.samples, 0).id
  let disposing: Promise<unknown> = Promise.resolve()
  await withTenant(hospital.admin, contextOf(hospital.tenant, { user: hospital.users[0] }), async (tx) => {
    const scope = { schema: 'laboratory', table: 'samples', row_ids: [held] }
    await tx.query(`select from compliance.place_hold('a court asked for it', p_scope => $1)`, [scope])
    const [self] = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
    const disposal = { isOver: false }
    disposing = dispose(held, 'spilled').finally(() => (disposal.isOver = true))
    disposing.catch(() => undefined)
    for (let isWaiting = false; !isWaiting && !disposal.isOver;) {
      const [row] = await tx.query<{ isWaiting: boolean }>(
        'select exists (select from pg_locks l where $1 = any (pg_blocking_pids(l.pid))) as "isWaiting"',
        [self?.pid],
      )
      isWaiting = row?.isWaiting ?? false
    }
  })
  await assert.rejects(disposing, { sqlstate: 'IM007' }, 'a disposal waits for a hold that is being placed')
})

test('storage: days are those of the tenant, also while the server is in another one', async () => {
  const { asFirst, hospital } = laboratory
  const { samples } = await orderOnBench(laboratory, ['HB'])
  const sampleId = at(samples, 0).id
  const move = (to: 'stored' | 'disposed') => asFirst((tx) => changeSampleState(tx, { sampleId, to }))
  const keepFor = (days: number) =>
    asSuperuser(`update laboratory.samples set retain_until = core.tenant_today() + $2::int where id = $1`, [
      sampleId,
      days,
    ])
  await moveToAnotherDay(hospital.admin, hospital.tenant)
  try {
    await move('stored')
    const [kept] = await asFirst((tx) =>
      tx.query('select retain_until - core.tenant_today() as days from laboratory.samples where id = $1', [sampleId]),
    )
    await keepFor(1)
    await assert.rejects(move('disposed'), { sqlstate: 'IM002' })
    await keepFor(0)
    await move('disposed')

    assert.deepEqual(kept, { days: 7 })
  } finally {
    await asSuperuser(`update core.tenants set timezone = 'Asia/Kolkata' where id = $1`, [hospital.tenant])
  }
})

test('a correction of a partial report makes a new version, and the final report follows it', async () => {
  const { asFirst, asSecond, staff } = laboratory
  const { orderId, items } = await orderOnBench(laboratory, ['HB', 'K'])
  const release = async (code: string, valueNum: number) => {
    const { id } = await asFirst((tx) => enterResult(tx, { orderItemId: items[code] ?? '', valueNum }))
    await asSecond((tx) => verifyResult(tx, id))
    return asFirst((tx) => authoriseResult(tx, id))
  }
  const wrong = await release('HB', 13)
  const first = await asFirst((tx) => issueLabReport(tx, orderId))

  await asFirst((tx) =>
    correctResult(tx, { resultId: wrong.id, reason: 'typing error', valueNum: 14, verifiedBy: staff[1] }),
  )
  await release('K', 4)
  const last = await asFirst((tx) => issueLabReport(tx, orderId))

  assert.deepEqual([first.version, first.status], [1, 'partial'])
  assert.deepEqual([last.version, last.status, last.resultIds.length], [2, 'final', 2])
  assert.equal(last.amendsId, first.id)
})

test('enter_result: what the method cannot measure needs a comparator or a dilution, a change is flagged', async () => {
  const { asFirst, asSecond } = laboratory
  const { items } = await orderOnBench(laboratory, ['HB'])
  const orderItemId = items['HB'] ?? ''

  await assert.rejects(
    asFirst((tx) => enterResult(tx, { orderItemId, valueNum: 30 })),
    { sqlstate: '22023' },
  )
  await assert.rejects(
    asFirst((tx) => enterResult(tx, { orderItemId, valueText: 'a lot' })),
    { sqlstate: '22023' },
  )
  const limit = await asFirst((tx) => enterResult(tx, { orderItemId, valueNum: 25, comparator: 'gt' }))
  const measured = await asFirst((tx) => enterResult(tx, { orderItemId, valueNum: 15 }))
  await asSecond((tx) => verifyResult(tx, measured.id))
  await asFirst((tx) => authoriseResult(tx, measured.id))
  const next = await orderOnBench(laboratory, ['HB'])
  const later = await asFirst((tx) => enterResult(tx, { orderItemId: next.items['HB'] ?? '', valueNum: 11 }))

  assert.deepEqual([limit.flag, measured.flag], ['HH', 'N'])
  assert.deepEqual([later.flag, later.deltaFlag], ['L', true])
})

test('enter_result: a part of a result is a row below it, and the test is verified when all parts are', async () => {
  const { asFirst, asSecond } = laboratory
  const { orderId, items } = await orderOnBench(laboratory, ['HB'])
  const orderItemId = items['HB'] ?? ''
  const whole = await asFirst((tx) => enterResult(tx, { orderItemId, valueNum: 13 }))

  const part = await asFirst((tx) =>
    enterResult(tx, { orderItemId, parentResultId: whole.id, testCode: 'K', valueNum: 4 }),
  )
  await asSecond((tx) => verifyResult(tx, whole.id))
  const halfway = await statusOf(laboratory, orderId)
  await asSecond((tx) => verifyResult(tx, part.id))

  assert.equal(halfway, 'in_progress: resulted')
  assert.equal(await statusOf(laboratory, orderId), 'in_progress: verified')
})

test('a result comes from a sample of its own order that is ready', async () => {
  const { asFirst } = laboratory
  const [mine, other] = [await orderTests(laboratory, ['HB']), await orderOnBench(laboratory, ['HB'])]
  const orderItemId = mine.items['HB'] ?? ''

  await assert.rejects(
    asFirst((tx) => enterResult(tx, { orderItemId, valueNum: 13 })),
    { sqlstate: 'IM300' },
  )
  await assert.rejects(
    asFirst((tx) => enterResult(tx, { orderItemId, valueNum: 13, sampleId: at(other.samples, 0).id })),
    { sqlstate: 'IM005' },
  )
  await bringToBench(laboratory, at(mine.samples, 0).id)
  const result = await asFirst((tx) => enterResult(tx, { orderItemId, valueNum: 13 }))
  assert.equal(result.status, 'preliminary')
})

async function openEncounter(): Promise<string> {
  const { hospital, patientId, doctorId } = laboratory
  const id = randomUUID()
  await asSuperuser(
    `insert into clinical.encounters (
       tenant_id, id, encounter_number, patient_id, clinic_id, department_id, class, priority, attending_doctor_id, period,
       payer_class
     )
     values ($1, $2, $2::uuid::text, $3, $4, $5, 'AMB', 'routine', $6, tstzrange(now(), null), 'self')`,
    [hospital.tenant, id, patientId, hospital.clinicId, hospital.departmentId, doctorId],
  )
  return id
}

function asSuperuser(sql: string, params: readonly unknown[]): Promise<unknown> {
  const { admin, tenant, users } = laboratory.hospital
  return withTenant(admin, contextOf(tenant, { user: users[0] }), (tx) => tx.query(sql, [...params]))
}

async function price(...codes: string[]): Promise<void> {
  await asSuperuser(
    `insert into billing.charge_master (tenant_id, code, name, kind, base_price)
     select $1, code, code, 'lab', 100 from unnest($2::text[]) code
     on conflict do nothing`,
    [laboratory.hospital.tenant, codes],
  )
}

async function addPanel(code: string, members: readonly ('HB' | 'K' | 'NA')[]): Promise<void> {
  const { hospital, tests } = laboratory
  const id = randomUUID()
  await asSuperuser(
    `insert into laboratory.lab_tests (
       tenant_id, id, code, name, kind, department_code, tat_minutes, transport_temp, requires_authorisation, active
     )
     values ($1, $2, $3, $3, 'panel', 'biochemistry', 240, 'ambient', false, true)`,
    [hospital.tenant, id, code],
  )
  await asSuperuser(
    `insert into laboratory.lab_panel_members (tenant_id, panel_id, test_id, seq)
     select $1, $2, m.id, m.seq from unnest($3::uuid[]) with ordinality as m (id, seq)`,
    [hospital.tenant, id, members.map((member) => tests[member])],
  )
}

async function itemsOf(orderId: string): Promise<string[]> {
  const rows = await laboratory.hospital.admin.query<{ id: string }>(
    'select id from laboratory.lab_order_items where order_id = $1 order by position',
    [orderId],
  )
  return rows.map(({ id }) => id)
}

/** Code and status of the charge of each item of an order. */
async function chargesOf(orderId: string): Promise<string[]> {
  const rows = await laboratory.hospital.admin.query<{ charge: string }>(
    `select c.code || ' ' || b.status as charge
     from laboratory.lab_order_items i
     join billing.charge_items b on b.tenant_id = i.tenant_id and b.id = i.charge_item_id
     join billing.charge_master c on c.tenant_id = b.tenant_id and c.id = b.charge_id
     where i.order_id = $1
     order by i.position`,
    [orderId],
  )
  return rows.map(({ charge }) => charge)
}

/** Codes that an order, and each of its items, was charged for. */
async function chargesFrom(orderId: string): Promise<string[]> {
  const rows = await laboratory.hospital.admin.query<{ code: string }>(
    `select c.code
     from billing.charge_items b
     join billing.charge_master c on c.tenant_id = b.tenant_id and c.id = b.charge_id
     where b.source_id = $1 or b.source_id in (select id from laboratory.lab_order_items where order_id = $1)
     order by c.code`,
    [orderId],
  )
  return rows.map(({ code }) => code)
}
