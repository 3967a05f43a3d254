import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { dispense } from '@imhotep/domain'
import { addBatch, prescribe, type Pharmacy } from '../../packages/domain/src/medication/medication.fixture.ts'
import type { RaceClinic } from '../races/clinic.fixture.ts'
import { openRacePharmacy } from './race-pharmacy.fixture.ts'

let clinic: RaceClinic
let pharmacy: Pharmacy

before(async () => {
  ;({ clinic, pharmacy } = await openRacePharmacy(4))
})
after(() => clinic.close())

test('drugs: a controlled drug is on no list of the telemedicine guidelines, an AWaRe group is for antimicrobials', async () => {
  const update = (set: string) =>
    clinic.asSuperuser(`update medication.drugs set ${set} where id = $1`, [pharmacy.drugs.paracetamol])

  await assert.rejects(update(`schedule = 'NDPS'`), { constraint: 'drugs_controlled_not_by_video' })
  await assert.rejects(update(`aware_group = 'watch'`), { constraint: 'drugs_aware_group_of_antimicrobials' })
  await assert.rejects(update(`atc = 'N02'`), { constraint: 'drugs_atc_format' })
  await assert.rejects(update(`snomed = '123'`), { constraint: 'drugs_snomed_valid' })
})

test('prescriptions: nothing is active without signature and review, whoever writes', async () => {
  const { prescriptionId } = await prescribe(pharmacy, 'paracetamol')
  const update = (set: string) =>
    clinic.asSuperuser(`update medication.prescriptions set ${set} where id = $1`, [prescriptionId])

  await assert.rejects(update('signature_id = null'), { constraint: 'prescriptions_active_is_signed' })
  await assert.rejects(update('allergies_reviewed = false'), {
    constraint: 'prescriptions_active_has_allergies_reviewed',
  })
  await assert.rejects(update(`valid_until = '2020-01-01'`), { constraint: 'prescriptions_valid_from_its_day' })
  await assert.rejects(update(`status = 'draft'`), { sqlstate: 'IM001' })
})

test('prescription_items: never more than quantity for each fill, as-needed only with a reason', async () => {
  const { itemId } = await prescribe(pharmacy, 'paracetamol', { quantity: 10, refills: 1 })
  const update = (set: string) =>
    clinic.asSuperuser(`update medication.prescription_items set ${set} where id = $1`, [itemId])

  await update('quantity_dispensed = 20')
  await assert.rejects(update('quantity_dispensed = 20.001'), { constraint: 'prescription_items_not_over_dispensed' })
  await assert.rejects(update('is_prn = true'), { constraint: 'prescription_items_prn_has_reason' })
  await assert.rejects(update('dose_value = 0'), { constraint: 'prescription_items_dose_positive' })
  await assert.rejects(update(`drug_id = drug_id, timing = '[]'`), {
    constraint: 'prescription_items_timing_is_object',
  })
})

test('dispense_items: lines are never changed, a negative one names what comes back, none is sold above MRP', async () => {
  await addBatch(pharmacy, 'paracetamol', 20, 100)
  const { prescriptionId, itemId } = await prescribe(pharmacy, 'paracetamol')
  const given = await pharmacy.asPharmacist((tx) =>
    dispense(tx, {
      storeLocationId: pharmacy.storeId,
      kind: 'opd',
      key: randomUUID(),
      prescriptionId,
      lines: [{ prescriptionItemId: itemId, quantity: 2 }],
    }),
  )
  const copy = (changes: object) =>
    clinic.asSuperuser(
      `insert into medication.dispense_items
       select (jsonb_populate_record(l, $2 || jsonb_build_object('id', gen_random_uuid()))).*
       from medication.dispense_items l where l.dispense_id = $1`,
      [given.id, changes],
    )

  await assert.rejects(
    clinic.asSuperuser('update medication.dispense_items set quantity = 1 where dispense_id = $1', [given.id]),
    { sqlstate: 'IM006' },
  )
  await assert.rejects(clinic.asSuperuser('delete from medication.dispense_items where dispense_id = $1', [given.id]), {
    sqlstate: 'IM006',
  })
  await assert.rejects(copy({ quantity: -2 }), { constraint: 'dispense_items_negative_is_return' })
  await assert.rejects(copy({ unit_price: 10.01 }), { constraint: 'dispense_items_not_above_mrp' })
  await assert.rejects(copy({ expiry_on: '2020-01-01' }), { sqlstate: 'IM501' })
  await assert.rejects(copy({ batch_id: randomUUID(), prescription_item_id: null }), {
    constraint: 'dispense_items_one_movement_each',
  })
  const [received] = await pharmacy.asSuperuser((tx) =>
    tx.query<{ id: string }>(
      'select id from inventory.stock_movements where id not in (select movement_id from medication.dispense_items) limit 1',
    ),
  )
  const another = { movement_id: received?.id, prescription_item_id: null, fefo_override_reason: 'test' }
  await assert.rejects(copy({ ...another, item_id: pharmacy.items.ibuprofen }), {
    constraint: 'dispense_items_batch_fkey',
  })
})

test('dispenses: a return names its dispense and a reason, what is handed over has a time and a preparer', async () => {
  const add = (columns: object) =>
    clinic.asSuperuser(
      `insert into medication.dispenses (
         tenant_id, dispense_number, patient_id, store_location_id, kind, return_of_id, received_by_name, reason
       )
       select $1, gen_random_uuid(), $2, $3, r.kind, r.return_of_id, r.received_by_name, r.reason
       from jsonb_populate_record(null::medication.dispenses, $4) r`,
      [clinic.tenant, pharmacy.patientId, pharmacy.storeId, columns],
    )

  await assert.rejects(add({ kind: 'return' }), { constraint: 'dispenses_return_has_reason' })
  await assert.rejects(add({ kind: 'return', reason: 'too many' }), { constraint: 'dispenses_return_names_dispense' })
  await assert.rejects(add({ kind: 'opd' }), { constraint: 'dispenses_has_prescription' })
  await assert.rejects(add({ kind: 'otc', received_by_name: 'card 2345 6789 0124' }), { sqlstate: 'IM006' })
  await add({ kind: 'otc' })
  await clinic.asSuperuser(`update medication.dispenses set status = 'ready' where kind = 'otc'`, [])
  await assert.rejects(
    clinic.asSuperuser(`update medication.dispenses set status = 'completed' where kind = 'otc'`, []),
    { constraint: 'dispenses_completed_is_handed_over' },
  )
})

test('medication_administrations: a dose is one live record, given completely, and witnessed by somebody else', async () => {
  const { itemId } = await prescribe(
    pharmacy,
    'insulin',
    { frequencyCode: 'STAT', startAt: new Date(Date.now() - 60_000) },
    'ipd',
  )
  await pharmacy.asPharmacist((tx) => tx.query('select medication.schedule_doses($1)', [itemId]))
  const { pharmacist, nurse } = pharmacy.staff
  const give = (givenBy: string | null, witness: string | null) =>
    clinic.asSuperuser(
      `update medication.medication_administrations
       set status = 'given', given_at = now(), dose_given = 1, given_by = $2, witness_id = $3
       where prescription_item_id = $1`,
      [itemId, givenBy, witness],
    )

  await assert.rejects(
    clinic.asSuperuser(
      `insert into medication.medication_administrations
         (tenant_id, prescription_item_id, patient_id, encounter_id, scheduled_at)
       select tenant_id, prescription_item_id, patient_id, encounter_id, scheduled_at
       from medication.medication_administrations where prescription_item_id = $1`,
      [itemId],
    ),
    { sqlstate: '23505' },
  )
  await assert.rejects(give(pharmacist, null), { sqlstate: 'IM403' })
  await assert.rejects(give(pharmacist, pharmacist), {
    constraint: 'medication_administrations_witness_is_another',
  })
  await assert.rejects(give(null, nurse), { constraint: 'medication_administrations_given_is_complete' })
  await give(pharmacist, nurse)
})

test('medication: an application writes to none of its tables, it calls operations', async () => {
  for (const table of [
    'drugs',
    'prescriptions',
    'prescription_items',
    'dispenses',
    'dispense_items',
    'medication_administrations',
  ]) {
    await assert.rejects(
      clinic.as((tx) => tx.query(`delete from medication.${table}`)),
      { sqlstate: '42501' },
    )
    await assert.rejects(
      clinic.as((tx) => tx.query(`update medication.${table} set created_at = now()`)),
      { sqlstate: '42501' },
    )
  }
})
