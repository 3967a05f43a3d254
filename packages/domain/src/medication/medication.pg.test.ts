import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import {
  AllergiesNotReviewedError,
  CredentialExpiredError,
  FefoReasonError,
  HardStopAlertError,
  IdempotencyKeyReusedError,
  IllegalTransitionError,
  NotClearedError,
  NotFoundError,
  NotPermittedError,
  OverDispenseError,
  ReasonRequiredError,
  ReservationGoneError,
  StockShortError,
  TelemedicineListError,
  WitnessRequiredError,
  type Transaction,
} from '@imhotep/postgres'
import { withHospital } from '../hospital.fixture.ts'
import { activatePrescription, checkPrescription } from './activate-prescription.ts'
import {
  completeItem,
  expirePrescriptions,
  holdItem,
  markItemInError,
  resumeItem,
  stopItem,
  stopPrescription,
} from './change-orders.ts'
import { cancelDispense, completeDispense, dispense, returnDispense, type DispenseLine } from './dispense.ts'
import { giveDose, markDoseInError, recordNotGiven, scheduleDoses, scheduleDueDoses, type Dose } from './doses.ts'
import {
  addPrescriptionItem,
  cancelPrescription,
  draftPrescription,
  removePrescriptionItem,
} from './draft-prescription.ts'
import {
  addBatch,
  medicine,
  onHand,
  openPharmacy,
  prescribe,
  type DrugName,
  type Pharmacy,
} from './medication.fixture.ts'

// One hospital for all tests of this file; each test takes drugs and batches of its own.
let pharmacy: Pharmacy
let close: () => void
let closed: Promise<void>

before(async () => {
  pharmacy = await new Promise<Pharmacy>((resolve, reject) => {
    closed = withHospital(async (hospital) => {
      const done = new Promise<void>((free) => (close = free))
      resolve(await openPharmacy(hospital))
      await done
    })
    closed.catch(reject)
  })
})
after(async () => {
  close()
  await closed
})

const draft = (drugs: DrugName[], context: 'opd' | 'teleconsult' = 'opd') =>
  pharmacy.asDoctor((tx) =>
    draftPrescription(tx, {
      encounterId: pharmacy.encounters[context === 'opd' ? 'clinic' : 'video'],
      doctorId: pharmacy.doctorId,
      context,
      items: drugs.map((drug) => medicine(pharmacy, drug)),
    }),
  )

const sign = (prescriptionId: string) =>
  pharmacy.asDoctor((tx) => activatePrescription(tx, { prescriptionId, allergiesReviewed: true }))

test('draftPrescription: a key gives one draft, whose medicines may change until it is signed', async () => {
  const { asDoctor, doctorId, encounters } = pharmacy
  const input = {
    encounterId: encounters.clinic,
    doctorId,
    context: 'opd' as const,
    items: [medicine(pharmacy, 'paracetamol')],
    key: randomUUID(),
  }
  const drafted = await asDoctor((tx) => draftPrescription(tx, input))
  const repeated = await asDoctor((tx) => draftPrescription(tx, input))
  const item = medicine(pharmacy, 'antacid')
  const added = await asDoctor((tx) => addPrescriptionItem(tx, drafted.id, item))
  const addedAgain = await asDoctor((tx) => addPrescriptionItem(tx, drafted.id, item))
  const removed = await asDoctor((tx) => removePrescriptionItem(tx, added.id))
  const active = await sign(drafted.id)
  const signedTwice = await sign(drafted.id)

  assert.deepEqual(repeated, drafted)
  assert.match(drafted.prescriptionNumber, /^RX-\d\d-000\d+$/)
  assert.deepEqual([addedAgain, removed.status], [added, 'cancelled'])
  assert.deepEqual([active.status, signedTwice], ['active', active])
  await assert.rejects(
    asDoctor((tx) => draftPrescription(tx, { ...input, items: [] })),
    IdempotencyKeyReusedError,
  )
  await assert.rejects(
    asDoctor((tx) => addPrescriptionItem(tx, drafted.id, medicine(pharmacy, 'ibuprofen'))),
    IllegalTransitionError,
  )
  await assert.rejects(
    asDoctor((tx) => cancelPrescription(tx, drafted.id, 'changed my mind')),
    IllegalTransitionError,
  )
  await assert.rejects(
    asDoctor((tx) => draftPrescription(tx, { ...input, key: randomUUID(), encounterId: randomUUID() })),
    NotFoundError,
  )
  const other = await draft(['paracetamol'])
  const cancelled = await asDoctor((tx) => cancelPrescription(tx, other.id, 'changed my mind'))
  assert.equal(cancelled.status, 'cancelled')
  await assert.rejects(sign(other.id), IllegalTransitionError)
})

test('activatePrescription: only the prescriber, registered today, after a look at the allergies', async () => {
  const { asDoctor, asPharmacist, asSuperuser, doctorId } = pharmacy
  const { id } = await draft(['paracetamol'])
  const register = (validTo: string | null) =>
    asSuperuser((tx) =>
      tx.query('update workforce.doctors set registration_valid_to = $2 where id = $1', [doctorId, validTo]),
    )

  await assert.rejects(
    asPharmacist((tx) => activatePrescription(tx, { prescriptionId: id, allergiesReviewed: true })),
    NotPermittedError,
  )
  await assert.rejects(
    asDoctor((tx) => activatePrescription(tx, { prescriptionId: id, allergiesReviewed: false })),
    AllergiesNotReviewedError,
  )
  await register('2026-01-01')
  await assert.rejects(sign(id), CredentialExpiredError)
  await register(null)
  await asSuperuser((tx) =>
    tx.query(`update clinical.allergies set clinical_status = 'inactive' where tenant_id = core.current_tenant_id()`),
  )
  await assert.rejects(sign(id), AllergiesNotReviewedError)
  await asSuperuser((tx) =>
    tx.query(`update clinical.allergies set clinical_status = 'active' where tenant_id = core.current_tenant_id()`),
  )
  await assert.rejects(sign((await draft([])).id), NotPermittedError, 'there is nothing to sign')
  const active = await sign(id)

  const [signature] = await asSuperuser((tx) =>
    tx.query<{ same: boolean }>(
      `select s.digest = medication.digest_of(p) and s.signer_user_id = core.current_user_id() as same
       from medication.prescriptions p join ehr.document_signatures s on s.id = p.signature_id where p.id = $1`,
      [active.id],
    ),
  )
  assert.deepEqual(signature, { same: true })
})

test('activatePrescription: of two drugs that clash and are signed at the same moment one is refused', async () => {
  const { asSuperuser } = pharmacy
  const drafts = await Promise.all((['ibuprofen', 'morphine'] as const).map((drug) => draft([drug])))
  await asSuperuser((tx) =>
    tx.query(
      `insert into cds.drug_interactions
         (kind, subject_code, object_code, severity, evidence_level, effect, management, source)
       values ('drug_drug', 'ibuprofen', 'morphine', 'contraindicated', 'test', 'made up', 'made up', 'test')`,
    ),
  )

  const outcomes = await Promise.allSettled(drafts.map(({ id }) => sign(id)))
  await asSuperuser((tx) => tx.query(`update cds.drug_interactions set active = false where source = 'test'`))
  for (const outcome of outcomes) {
    if (outcome.status === 'fulfilled')
      await pharmacy.asDoctor((tx) => stopPrescription(tx, outcome.value.id, 'the next test gives ibuprofen'))
  }

  assert.deepEqual(outcomes.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
  const refused = outcomes.find((outcome) => outcome.status === 'rejected')
  assert.ok(refused?.reason instanceof HardStopAlertError)
})

test('activatePrescription: a hard stop blocks until two people override it, also against what is taken already', async () => {
  const { asDoctor, asSuperuser, hospital } = pharmacy
  await asSuperuser((tx) =>
    tx.query(
      `insert into cds.drug_interactions
         (kind, subject_code, object_code, severity, evidence_level, effect, management, source)
       values ('drug_drug', 'ibuprofen', 'magaldrate', 'contraindicated', 'test', 'made up', 'made up', 'test')`,
    ),
  )
  await prescribe(pharmacy, 'antacid')
  const { id } = await draft(['ibuprofen'])

  const alerts = await asDoctor((tx) => checkPrescription(tx, id))
  await assert.rejects(sign(id), HardStopAlertError)
  await assert.rejects(
    asSuperuser((tx) =>
      tx.query(
        `update medication.prescriptions set status = 'active', signed_at = now(), allergies_reviewed = true where id = $1`,
        [id],
      ),
    ),
    HardStopAlertError,
    'the table refuses as well',
  )
  await asSuperuser(async (tx) => {
    await tx.query(
      `insert into cds.alert_overrides (tenant_id, alert_id, user_id, reason_code, second_approver_id)
       select tenant_id, id, $2, 'benefit_outweighs_risk', $3 from cds.alerts where id = $1`,
      [alerts[0]?.id, hospital.users[0], hospital.users[1]],
    )
    await tx.query(`update cds.alerts set status = 'overridden', responded_at = now() where id = $1`, [alerts[0]?.id])
  })
  const active = await sign(id)
  await asSuperuser((tx) => tx.query(`update cds.drug_interactions set active = false where source = 'test'`))

  assert.deepEqual(
    alerts.map(({ severity, category }) => [severity, category]),
    [['hard_stop', 'interaction']],
  )
  assert.equal(active.status, 'active')
})

test('teleconsultation: prohibited drugs are refused, and a video consultation cannot pass for a visit', async () => {
  const { asDoctor, doctorId, encounters } = pharmacy

  await assert.rejects(draft(['paracetamol', 'morphine'], 'teleconsult'), TelemedicineListError)
  await assert.rejects(
    asDoctor((tx) => draftPrescription(tx, { encounterId: encounters.video, doctorId, context: 'opd' })),
    TelemedicineListError,
  )
  const { id } = await draft(['paracetamol'], 'teleconsult')
  assert.equal((await sign(id)).status, 'active')
})

test('orders: held, resumed, stopped, completed, entered in error; the prescription ends with its last medicine', async () => {
  const { asDoctor } = pharmacy
  const one = await prescribe(pharmacy, 'paracetamol')
  const two = await prescribe(pharmacy, 'paracetamol')
  const three = await prescribe(pharmacy, 'paracetamol')
  const statusOf = async (id: string) => {
    const [row] = await asDoctor((tx) =>
      tx.query<{ status: string }>('select status from medication.prescriptions where id = $1', [id]),
    )
    return row?.status
  }

  await assert.rejects(
    asDoctor((tx) => holdItem(tx, one.itemId, '')),
    ReasonRequiredError,
  )
  const held = await asDoctor((tx) => holdItem(tx, one.itemId, 'operation'))
  const resumed = await asDoctor((tx) => resumeItem(tx, one.itemId))
  const stopped = await asDoctor((tx) => stopItem(tx, one.itemId, 'rash'))
  const wrong = await asDoctor((tx) => markItemInError(tx, one.itemId, 'meant for another patient'))
  const completed = await asDoctor((tx) => completeItem(tx, two.itemId))
  const all = await asDoctor((tx) => stopPrescription(tx, three.prescriptionId, 'transferred'))
  const allAgain = await asDoctor((tx) => stopPrescription(tx, three.prescriptionId, 'transferred'))

  assert.deepEqual(
    [held.status, resumed.status, stopped.status, wrong.status, completed.status, all.status],
    ['on_hold', 'active', 'stopped', 'entered_in_error', 'completed', 'stopped'],
  )
  assert.deepEqual(allAgain, all)
  assert.deepEqual([await statusOf(one.prescriptionId), await statusOf(two.prescriptionId)], ['stopped', 'completed'])
  await assert.rejects(
    asDoctor((tx) => completeItem(tx, one.itemId)),
    IllegalTransitionError,
  )
})

test('expirePrescriptions: what has lapsed is expired, and cannot be dispensed on its last day plus one', async () => {
  const { asPharmacist, asSuperuser, storeId } = pharmacy
  await addBatch(pharmacy, 'paracetamol', 100, 400)
  const lapsed = await prescribe(pharmacy, 'paracetamol')
  const backdate = (days: number) =>
    asSuperuser((tx) =>
      tx.query(
        `update medication.prescriptions
         set prescribed_at = now() - interval '40 days', valid_until = core.tenant_today() - $2::int where id = $1`,
        [lapsed.prescriptionId, days],
      ),
    )

  await backdate(1)
  const none = await asPharmacist((tx) => expirePrescriptions(tx))
  await assert.rejects(
    asPharmacist((tx) =>
      dispense(tx, {
        storeLocationId: storeId,
        kind: 'opd',
        key: randomUUID(),
        prescriptionId: lapsed.prescriptionId,
        lines: [{ prescriptionItemId: lapsed.itemId, quantity: 1 }],
      }),
    ),
    IllegalTransitionError,
  )
  await backdate(2)
  const expired = await asPharmacist((tx) => expirePrescriptions(tx))

  assert.deepEqual([none, expired], [0, 1])
})

test('dispense: takes what expires first, counts it, charges its price, and completes the prescription with its last piece', async () => {
  const { asPharmacist, asSuperuser, storeId, patientId, encounters } = pharmacy
  await empty('ibuprofen')
  const late = await addBatch(pharmacy, 'ibuprofen', 100, 300)
  const early = await addBatch(pharmacy, 'ibuprofen', 4, 30)
  const tooSoon = await addBatch(pharmacy, 'ibuprofen', 50, 3) // ends before the course does
  const { prescriptionId, itemId } = await prescribe(pharmacy, 'ibuprofen', { quantity: 10 })
  await asSuperuser(async (tx) => {
    await tx.query(
      `insert into billing.charge_master (tenant_id, code, name, kind, base_price, gst_rate)
       select core.require_tenant(), 'ibuprofen', 'Ibuprofen', 'drug', 9, 12`,
    )
    await tx.query('select billing.open_account($1, $2)', [patientId, encounters.clinic])
  })
  const give = (quantity: number, key: string = randomUUID(), price: { unitPrice?: string } = {}) =>
    asPharmacist((tx) =>
      dispense(tx, {
        storeLocationId: storeId,
        kind: 'opd',
        key,
        prescriptionId,
        lines: [{ prescriptionItemId: itemId, quantity, ...price }],
        counselled: true,
      }),
    )

  const first = await give(6, 'first-dispense')
  const repeated = await give(6, 'first-dispense')
  await assert.rejects(give(5, 'first-dispense'), IdempotencyKeyReusedError)
  await assert.rejects(give(5), OverDispenseError)
  const left = [await onHand(pharmacy, early), await onHand(pharmacy, late), await onHand(pharmacy, tooSoon)]
  await asSuperuser((tx) => tx.query('update inventory.batches set mrp = null where id = $1', [late]))
  const second = await give(3)
  const third = await give(1, randomUUID(), { unitPrice: '5' })
  const [after] = await asSuperuser((tx) =>
    tx.query<{ status: string }>('select status from medication.prescriptions where id = $1', [prescriptionId]),
  )
  const charges = await asSuperuser((tx) =>
    tx.query(
      `select l.quantity::int, c.tax, c.net
       from billing.charge_items c
       join medication.dispense_items l on c.source_id = l.id
       where l.prescription_item_id = $1
       order by c.id`,
      [itemId],
    ),
  )

  assert.deepEqual(repeated, first)
  assert.deepEqual([first.status, first.chargeStatus, third.status], ['completed', 'charged', 'completed'])
  assert.deepEqual(left, [0, 98, 50])
  assert.deepEqual([second.chargeStatus, after], ['charged', { status: 'completed' }])
  assert.deepEqual(charges, [
    { quantity: 4, tax: '4.29', net: '40.00' }, // MRP of 10, tax included
    { quantity: 2, tax: '2.14', net: '20.00' },
    { quantity: 3, tax: '3.24', net: '30.24' }, // no MRP: the tariff of 9, and tax
    { quantity: 1, tax: '0.54', net: '5.00' }, // what was said at the counter
  ])
  await assert.rejects(give(1), IllegalTransitionError)
})

test('dispense: another batch needs a reason, a lost reservation is told, too little is nothing', async () => {
  const { asPharmacist, storeId, items } = pharmacy
  await empty('paracetamolBrand')
  const early = await addBatch(pharmacy, 'paracetamolBrand', 5, 60)
  const late = await addBatch(pharmacy, 'paracetamolBrand', 5, 90)
  const { prescriptionId, itemId } = await prescribe(pharmacy, 'paracetamolBrand')
  const give = (line: object) =>
    asPharmacist((tx) =>
      dispense(tx, {
        storeLocationId: storeId,
        kind: 'opd',
        key: randomUUID(),
        prescriptionId,
        lines: [{ prescriptionItemId: itemId, quantity: 1, ...line }],
      }),
    )

  await assert.rejects(give({ batchId: late }), FefoReasonError)
  await assert.rejects(give({ batchId: await addBatch(pharmacy, 'insulin', 5, 60) }), NotFoundError)
  await give({ batchId: late, fefoOverrideReason: 'the box of the earlier batch is damaged' })
  await assert.rejects(give({ quantity: 10 }), OverDispenseError)
  const [reservation] = await asPharmacist((tx) =>
    tx.query<{ id: string }>(`select id from inventory.reserve_fefo($1, $2, 3, 'medication.prescription_items', $3)`, [
      storeId,
      items.paracetamolBrand,
      itemId,
    ]),
  )
  await give({ quantity: 2, reservationId: reservation?.id })
  await asPharmacist((tx) => tx.query('select inventory.release_reservation($1)', [reservation?.id]))
  await assert.rejects(give({ reservationId: reservation?.id }), ReservationGoneError)
  const short = await prescribe(pharmacy, 'paracetamolBrand', { quantity: 50 })
  await assert.rejects(
    asPharmacist((tx) =>
      dispense(tx, {
        storeLocationId: storeId,
        kind: 'opd',
        key: randomUUID(),
        prescriptionId: short.prescriptionId,
        lines: [{ prescriptionItemId: short.itemId, quantity: 50 }],
      }),
    ),
    StockShortError,
  )

  assert.deepEqual([await onHand(pharmacy, early), await onHand(pharmacy, late)], [3, 4])
})

test('dispense: an equivalent needs a reason and the same ingredients, and the doctor may forbid it', async () => {
  const { asPharmacist, storeId, items } = pharmacy
  await addBatch(pharmacy, 'paracetamolBrand', 50, 120)
  await addBatch(pharmacy, 'antacid', 50, 120)
  const open = await prescribe(pharmacy, 'paracetamol')
  const strict = await prescribe(pharmacy, 'paracetamol', { noSubstitution: true })
  const give = (order: { prescriptionId: string; itemId: string }, line: object) =>
    asPharmacist((tx) =>
      dispense(tx, {
        storeLocationId: storeId,
        kind: 'opd',
        key: randomUUID(),
        prescriptionId: order.prescriptionId,
        lines: [{ prescriptionItemId: order.itemId, quantity: 1, ...line }],
      }),
    )

  await assert.rejects(give(open, { itemId: items.paracetamolBrand }), ReasonRequiredError)
  await assert.rejects(give(open, { itemId: items.antacid, substitutionReason: 'none left' }), NotPermittedError)
  await assert.rejects(
    give(strict, { itemId: items.paracetamolBrand, substitutionReason: 'none left' }),
    NotPermittedError,
  )
  const given = await give(open, { itemId: items.paracetamolBrand, substitutionReason: 'none left' })
  assert.equal(given.status, 'completed')
})

test('dispense: a high-alert or controlled drug is completed by a second person, and shows in the register', async () => {
  const { asDoctor, asPharmacist, storeId, staff, hospital } = pharmacy
  await addBatch(pharmacy, 'morphine', 20, 200)
  const { prescriptionId, itemId } = await prescribe(pharmacy, 'morphine', { quantity: 8 })
  const input = (handOver: boolean, checkedBy?: string) => ({
    storeLocationId: storeId,
    kind: 'opd' as const,
    key: randomUUID(),
    prescriptionId,
    lines: [{ prescriptionItemId: itemId, quantity: 2 }],
    handOver,
    ...(checkedBy === undefined ? {} : { checkedBy }),
  })

  await assert.rejects(
    asPharmacist((tx) => dispense(tx, input(true))),
    WitnessRequiredError,
  )
  await assert.rejects(
    asPharmacist((tx) => dispense(tx, input(true, staff.pharmacist))),
    WitnessRequiredError,
  )
  const witnessed = await asPharmacist((tx) => dispense(tx, input(true, staff.nurse)))
  const ready = await asPharmacist((tx) => dispense(tx, input(false)))
  await assert.rejects(
    asPharmacist((tx) => completeDispense(tx, { dispenseId: ready.id })),
    WitnessRequiredError,
  )
  const completed = await asDoctor((tx) => completeDispense(tx, { dispenseId: ready.id }))
  const register = await hospital.run((tx) =>
    tx.query(
      `select quantity, balance, mrn is not null as "hasPatient", prescriber_registration as registration
       from medication.controlled_drug_register order by moved_at, movement_id`,
    ),
  )

  assert.deepEqual([witnessed.checkedBy, completed.checkedBy], [staff.nurse, staff.doctor])
  assert.deepEqual(register, [
    { quantity: '20.000', balance: '20.000', hasPatient: false, registration: null },
    { quantity: '-2.000', balance: '18.000', hasPatient: true, registration: 'R-1' },
    { quantity: '-2.000', balance: '16.000', hasPatient: true, registration: 'R-1' },
  ])
})

test('dispense: over the counter only what needs no prescription', async () => {
  const { asPharmacist, asSuperuser, storeId, items, patientId } = pharmacy
  await addBatch(pharmacy, 'antacid', 10, 130)
  const sell = (...lines: DispenseLine[]) =>
    asPharmacist((tx) => dispense(tx, { storeLocationId: storeId, kind: 'otc', key: randomUUID(), patientId, lines }))
  const item = (changes: string) =>
    asSuperuser(async (tx) => {
      const [row] = await tx.query<{ id: string }>(
        `insert into inventory.items (tenant_id, sku, name, kind, drug_id, base_unit, is_controlled)
         select core.require_tenant(), gen_random_uuid()::text || 'x', 'Test', 'drug', ${changes} returning id`,
      )
      return row?.id ?? ''
    })
  const unknownDrug = await item(`null, 'tablet', false`)
  const controlled = await item(`'${pharmacy.drugs.antacid}', 'tablet', true`)

  await assert.rejects(sell({ itemId: items.ibuprofen, quantity: 2 }), NotPermittedError)
  await assert.rejects(sell({ itemId: unknownDrug, quantity: 2 }), NotPermittedError)
  await assert.rejects(sell({ itemId: controlled, quantity: 2 }), NotPermittedError)
  const morphine = await addBatch(pharmacy, 'morphine', 10, 130)
  await assert.rejects(sell({ itemId: items.antacid, batchId: morphine, quantity: 2 }), NotFoundError)
  assert.equal(await onHand(pharmacy, morphine), 10)
  assert.deepEqual((await sell({ itemId: items.antacid, quantity: 2 })).chargeStatus, 'pending')
})

test('dispense: one item scanned twice is one line', async () => {
  const { asPharmacist, asSuperuser, storeId, items, patientId } = pharmacy
  await empty('antacid')
  const batch = await addBatch(pharmacy, 'antacid', 10, 147)
  const sell = (...lines: DispenseLine[]) =>
    asPharmacist((tx) => dispense(tx, { storeLocationId: storeId, kind: 'otc', key: randomUUID(), patientId, lines }))

  const sold = await sell({ itemId: items.antacid, quantity: 2 }, { itemId: items.antacid, quantity: 1.5 })
  const lines = await asSuperuser((tx) =>
    tx.query('select batch_id as batch, quantity from medication.dispense_items where dispense_id = $1', [sold.id]),
  )

  assert.deepEqual(lines, [{ batch, quantity: '3.500' }])
  await assert.rejects(sell({ itemId: items.antacid, quantity: 2 }, { itemId: items.antacid, quantity: -1 }), {
    sqlstate: '22023',
  })
})

test('dispense: a batch that is named beside what expires first, and is that, is given twice', async () => {
  const { asPharmacist, asSuperuser, storeId, items, patientId } = pharmacy
  await empty('antacid')
  const batch = await addBatch(pharmacy, 'antacid', 10, 148)

  const sold = await asPharmacist((tx) =>
    dispense(tx, {
      storeLocationId: storeId,
      kind: 'otc',
      key: randomUUID(),
      patientId,
      lines: [
        { itemId: items.antacid, quantity: 2 },
        { itemId: items.antacid, quantity: 3, batchId: batch },
      ],
    }),
  )

  const lines = await asSuperuser((tx) =>
    tx.query(
      'select batch_id as batch, sum(quantity) as quantity from medication.dispense_items where dispense_id = $1 group by batch_id',
      [sold.id],
    ),
  )
  assert.deepEqual(lines, [{ batch, quantity: '5.000' }])
  assert.equal(await onHand(pharmacy, batch), 5)
})

test('dispense: one batch may be given at two prices, and in two lines at one', async () => {
  const { asPharmacist, asSuperuser, storeId, items, patientId } = pharmacy
  await empty('antacid')
  const batchId = await addBatch(pharmacy, 'antacid', 10, 149)
  const line = { itemId: items.antacid, batchId }

  const sold = await asPharmacist((tx) =>
    dispense(tx, {
      storeLocationId: storeId,
      kind: 'otc',
      key: randomUUID(),
      patientId,
      lines: [
        { ...line, quantity: 4 },
        { ...line, quantity: 2, unitPrice: '5' }, // half of it on a concession
        { ...line, quantity: 1, unitPrice: '10.00' }, // the MRP once more
      ],
    }),
  )

  const lines = await asSuperuser((tx) =>
    tx.query(
      `select quantity, unit_price as price from medication.dispense_items where dispense_id = $1 order by quantity`,
      [sold.id],
    ),
  )
  assert.deepEqual(lines, [
    { quantity: '1.000', price: '10.00' },
    { quantity: '2.000', price: '5.00' },
    { quantity: '4.000', price: '10.00' },
  ])
  assert.equal(await onHand(pharmacy, batchId), 3)
})

test('cancelDispense and returnDispense: goods go back to their batch and to the prescription, never more than given', async () => {
  const { asPharmacist, asSuperuser, storeId } = pharmacy
  await empty('antacid')
  const batch = await addBatch(pharmacy, 'antacid', 10, 140)
  const { prescriptionId, itemId } = await prescribe(pharmacy, 'antacid')
  const give = (quantity: number, handOver: boolean) =>
    asPharmacist((tx) =>
      dispense(tx, {
        storeLocationId: storeId,
        kind: 'opd',
        key: randomUUID(),
        prescriptionId,
        lines: [{ prescriptionItemId: itemId, quantity }],
        handOver,
      }),
    )

  const waiting = await give(10, false)
  await assert.rejects(
    asPharmacist((tx) => cancelDispense(tx, waiting.id, '')),
    ReasonRequiredError,
  )
  const cancelled = await asPharmacist((tx) => cancelDispense(tx, waiting.id, 'nobody came'))
  const cancelledAgain = await asPharmacist((tx) => cancelDispense(tx, waiting.id, 'nobody came'))
  const back = await onHand(pharmacy, batch)
  const given = await give(6, true)
  const [line] = await asPharmacist((tx) =>
    tx.query<{ id: string }>('select id from medication.dispense_items where dispense_id = $1', [given.id]),
  )
  assert.ok(line)
  const takeBack = (quantity: number, key: string) =>
    asPharmacist((tx) =>
      returnDispense(tx, {
        dispenseId: given.id,
        lines: [{ dispenseItemId: line.id, quantity }],
        reason: 'too many',
        key,
      }),
    )
  const returned = await takeBack(2, 'return-two')
  const returnedAgain = await takeBack(2, 'return-two')
  await assert.rejects(takeBack(5, randomUUID()), OverDispenseError)
  await takeBack(4, randomUUID())
  const [after] = await asSuperuser((tx) =>
    tx.query<object>(
      `select d.status, i.quantity_dispensed::int as dispensed
       from medication.dispenses d, medication.prescription_items i where d.id = $1 and i.id = $2`,
      [given.id, itemId],
    ),
  )

  assert.deepEqual([cancelled.status, cancelledAgain, back], ['cancelled', cancelled, 10])
  assert.deepEqual([returned.kind, returned.returnOfId, returnedAgain], ['return', given.id, returned])
  assert.deepEqual(after, { status: 'returned', dispensed: 0 })
  assert.equal(await onHand(pharmacy, batch), 10)
  await assert.rejects(
    asPharmacist((tx) => cancelDispense(tx, given.id, 'again')),
    IllegalTransitionError,
  )
})

test('doses: fall due by the clock of the clinic, are explained, and follow their order', async () => {
  const { asDoctor, asPharmacist } = pharmacy
  const start = new Date(Date.now() - 3 * 3_600_000)
  const { itemId } = await prescribe(
    pharmacy,
    'paracetamol',
    { frequencyCode: 'Q6H', durationDays: 1, startAt: start },
    'ipd',
  )
  const until = new Date(start.getTime() + 48 * 3_600_000)

  const added = await asPharmacist((tx) => scheduleDoses(tx, itemId, until))
  const addedAgain = await asPharmacist((tx) => scheduleDueDoses(tx, until))
  const doses = await dosesOf(itemId)
  const [first, second, third, fourth] = doses.map(({ scheduledAt }) => ({ itemId, scheduledAt }))
  assert.ok(first && second && third && fourth)
  const given = await asPharmacist((tx) => giveDose(tx, { ...first, patientScan: true, drugScan: true }))
  const givenAgain = await asPharmacist((tx) => giveDose(tx, first))
  const dueAgain = await asPharmacist((tx) => markDoseInError(tx, first, 'wrong patient'))
  const saidTwice = await asPharmacist((tx) => markDoseInError(tx, first, 'wrong patient'))
  const missed = await asPharmacist((tx) =>
    recordNotGiven(tx, { ...first, outcome: 'missed', reason: 'in the theatre' }),
  )
  await assert.rejects(
    asPharmacist((tx) => recordNotGiven(tx, { ...second, outcome: 'refused', reason: '' })),
    ReasonRequiredError,
  )
  const refused = await asPharmacist((tx) => recordNotGiven(tx, { ...second, outcome: 'refused', reason: 'nausea' }))
  await asDoctor((tx) => holdItem(tx, itemId, 'operation'))
  await assert.rejects(
    asPharmacist((tx) => giveDose(tx, third)),
    IllegalTransitionError,
  )
  await asDoctor((tx) => resumeItem(tx, itemId))
  await asPharmacist((tx) => giveDose(tx, third))
  await asDoctor((tx) => stopItem(tx, itemId, 'recovered'))

  assert.deepEqual([added, addedAgain, doses.length], [4, 0, 4])
  assert.deepEqual(
    doses.map(({ scheduledAt }) => (scheduledAt.getTime() - start.getTime()) / 3_600_000),
    [0, 6, 12, 18],
  )
  assert.deepEqual([given.status, givenAgain, dueAgain.status, saidTwice], ['given', given, 'due', dueAgain])
  assert.deepEqual([missed.status, refused.status], ['missed', 'refused'])
  assert.deepEqual(
    (await dosesOf(itemId)).map(({ status }) => status),
    ['entered_in_error', 'missed', 'refused', 'given', 'cancelled'],
  )
  await assert.rejects(
    asPharmacist((tx) => giveDose(tx, { itemId, scheduledAt: new Date() })),
    IllegalTransitionError,
  )
})

test('doses: an as-needed dose is recorded when it is given; a high-alert drug needs another person as witness', async () => {
  const { asPharmacist, staff } = pharmacy
  const prn = await prescribe(
    pharmacy,
    'insulin',
    { frequencyCode: 'PRN', prnReason: 'glucose above 250', doseUnit: 'unit' },
    'ipd',
  )
  const dose = { itemId: prn.itemId, scheduledAt: new Date() }

  assert.equal(await asPharmacist((tx) => scheduleDoses(tx, prn.itemId)), 0)
  await assert.rejects(
    asPharmacist((tx) => giveDose(tx, dose)),
    WitnessRequiredError,
  )
  await assert.rejects(
    asPharmacist((tx) => giveDose(tx, { ...dose, witnessId: staff.pharmacist })),
    WitnessRequiredError,
  )
  const given = await asPharmacist((tx) => giveDose(tx, { ...dose, doseGiven: 6, witnessId: staff.nurse }))
  assert.deepEqual([given.status, given.givenBy, given.witnessId], ['given', staff.pharmacist, staff.nurse])
  const clinic = await prescribe(pharmacy, 'antacid')
  await assert.rejects(
    asPharmacist((tx) => scheduleDoses(tx, clinic.itemId)),
    IllegalTransitionError,
    'nurses give nothing on a prescription for home',
  )
})

test('discharge: no step while a due dose is unexplained; leaving ends the orders of the stay', async () => {
  const { asDoctor, asPharmacist, asSuperuser, admissionId } = pharmacy
  const { prescriptionId, itemId } = await prescribe(
    pharmacy,
    'antacid',
    { frequencyCode: 'Q4H', startAt: new Date(Date.now() - 3_600_000) },
    'ipd',
  )
  await asPharmacist((tx) => scheduleDoses(tx, itemId))
  const [first] = await dosesOf(itemId)
  assert.ok(first)
  await asSuperuser(async (tx) => {
    await tx.query('select clinical.admit($1)', [admissionId])
    await tx.query('select clinical.order_discharge($1)', [admissionId])
  })
  const clear = (tx: Transaction) => tx.query('select clinical.clear_pharmacy($1)', [admissionId])
  const move = (status: string) => (tx: Transaction) =>
    tx.query(
      `update clinical.admissions
       set status = $2, billing_cleared_at = now(), physically_left_at = case $2 when 'discharged' then now() end
       where id = $1`,
      [admissionId, status],
    )

  await assert.rejects(asSuperuser(clear), NotClearedError)
  await assert.rejects(asSuperuser(move('clinically_discharged')), NotClearedError)
  await asPharmacist((tx) => giveDose(tx, { itemId, scheduledAt: first.scheduledAt }))
  await asSuperuser(clear)
  for (const status of ['clinically_discharged', 'billing_cleared', 'discharged']) await asSuperuser(move(status))
  const statuses = (await dosesOf(itemId)).map(({ status }) => status)
  const [order] = await asDoctor((tx) =>
    tx.query<{ status: string }>('select status from medication.prescriptions where id = $1', [prescriptionId]),
  )

  assert.equal(statuses[0], 'given')
  assert.deepEqual(new Set(statuses.slice(1)), new Set(['cancelled']))
  assert.equal(order?.status, 'stopped')
})

function dosesOf(itemId: string): Promise<Pick<Dose, 'scheduledAt' | 'status'>[]> {
  return pharmacy.asSuperuser((tx) =>
    tx.query(
      `select scheduled_at as "scheduledAt", status from medication.medication_administrations
       where prescription_item_id = $1 order by scheduled_at, id`,
      [itemId],
    ),
  )
}

/** Takes everything of a drug out of the store. */
async function empty(drug: DrugName): Promise<void> {
  await pharmacy.asSuperuser((tx) =>
    tx.query(
      `select inventory.post_movement(
         'consume', b.store_location_id, b.batch_id, b.on_hand, 'test', core.uuid_v7(), medication.movement_key('empty', b.batch_id)
       )
       from inventory.stock_balances b where b.item_id = $1 and b.on_hand > 0`,
      [pharmacy.items[drug]],
    ),
  )
}
