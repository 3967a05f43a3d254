import { randomUUID } from 'node:crypto'
import { withTenant } from '@imhotep/kernel'
import type { Transaction } from '@imhotep/postgres'
import { addPatient, digest, type Hospital } from '../hospital.fixture.ts'
import { activatePrescription } from './activate-prescription.ts'
import { draftPrescription, type NewPrescriptionItem } from './draft-prescription.ts'
import type { PrescriptionContext } from './prescription.ts'

/** A hospital with a doctor, a pharmacist, a patient in a bed and in the clinic, and a store that has drugs. */
export interface Pharmacy {
  readonly hospital: Hospital
  readonly patientId: string
  /** Visit in the clinic, stay in the ward, video consultation. */
  readonly encounters: { readonly clinic: string; readonly ward: string; readonly video: string }
  readonly admissionId: string
  readonly doctorId: string
  /** The doctor, the pharmacist (second user), and a nurse without an account. */
  readonly staff: { readonly doctor: string; readonly pharmacist: string; readonly nurse: string }
  readonly storeId: string
  readonly drugs: Readonly<Record<DrugName, string>>
  /** Stock item of each drug. */
  readonly items: Readonly<Record<DrugName, string>>
  readonly asDoctor: <T>(work: (tx: Transaction) => Promise<T>) => Promise<T>
  readonly asPharmacist: <T>(work: (tx: Transaction) => Promise<T>) => Promise<T>
  readonly asSuperuser: <T>(work: (tx: Transaction) => Promise<T>) => Promise<T>
}

export type DrugName = 'paracetamol' | 'paracetamolBrand' | 'ibuprofen' | 'insulin' | 'morphine' | 'antacid'

const catalogue: Record<DrugName, { ingredient: string; schedule: string; list: string; highAlert: boolean }> = {
  paracetamol: { ingredient: 'paracetamol', schedule: 'H', list: 'O', highAlert: false },
  paracetamolBrand: { ingredient: 'paracetamol', schedule: 'H', list: 'O', highAlert: false },
  ibuprofen: { ingredient: 'ibuprofen', schedule: 'H', list: 'A', highAlert: false },
  insulin: { ingredient: 'insulin', schedule: 'H', list: 'B', highAlert: true },
  morphine: { ingredient: 'morphine', schedule: 'NDPS', list: 'prohibited', highAlert: false },
  antacid: { ingredient: 'magaldrate', schedule: 'OTC', list: 'O', highAlert: false },
}

/** Makes the pharmacy in a hospital; a new patient unless one is given. */
export async function openPharmacy(hospital: Hospital, patient?: string): Promise<Pharmacy> {
  const { tenant, users, clinicId, departmentId, admin } = hospital
  const patientId = patient ?? (await addPatient(hospital, 'Asha'))
  const [doctorId, storeId, admissionId] = [randomUUID(), randomUUID(), randomUUID()]
  const staff = { doctor: randomUUID(), pharmacist: randomUUID(), nurse: randomUUID() }
  const encounters = { clinic: randomUUID(), ward: randomUUID(), video: randomUUID() }
  const asSuperuser: Pharmacy['asSuperuser'] = (work) =>
    withTenant(admin, { tenant, user: users[0], role: 'admin', purpose: 'TREAT' }, work)

  const [drugs, items] = await asSuperuser(async (tx) => {
    for (const [kind, id, user] of [
      ['doctor', staff.doctor, users[0]],
      ['pharmacist', staff.pharmacist, users[1]],
      ['nurse', staff.nurse, null],
    ] as const) {
      await tx.query(
        `insert into workforce.staff (
           tenant_id, id, employee_code, user_id, given_name, sex, phone_enc, phone_bidx, kind, department_id,
           designation, employment_type, joined_on
         )
         values ($1, $2, $3, $4, 'Test', 'unknown', '\\x01', $5, $3, $6, $3, 'full_time', '2020-01-01')`,
        [tenant, id, kind, user, digest(id), departmentId],
      )
    }
    await tx.query(`update workforce.staff set status = 'active' where tenant_id = $1`, [tenant])
    await tx.query(
      `insert into workforce.doctors (tenant_id, id, staff_id, registration_no, registration_council, qualification)
       values ($1, $2, $3, 'R-1', 'Test council', 'MBBS')`,
      [tenant, doctorId, staff.doctor],
    )
    for (const [type, id] of [
      ['AMB', encounters.clinic],
      ['IMP', encounters.ward],
      ['VR', encounters.video],
    ] as const) {
      await tx.query(
        `insert into clinical.encounters (
           tenant_id, id, encounter_number, patient_id, clinic_id, department_id, class, priority, attending_doctor_id,
           period, payer_class
         )
         values ($1, $2, $3, $4, $5, $6, $3::text::clinical.encounter_class, 'routine', $7, tstzrange(now(), null), 'self')`,
        [tenant, id, type, patientId, clinicId, departmentId, doctorId],
      )
    }
    await tx.query(`update clinical.encounters set status = 'arrived' where tenant_id = $1`, [tenant])
    await tx.query(`update clinical.encounters set status = 'in_progress' where tenant_id = $1`, [tenant])
    await tx.query(
      `insert into clinical.admissions (
         tenant_id, id, encounter_id, admission_number, admission_type, requested_at, care_class, admitting_doctor_id
       )
       values ($1, $2, $3, 'A-1', 'elective', now(), 'general', $4)`,
      [tenant, admissionId, encounters.ward, doctorId],
    )
    await tx.query(
      `insert into clinical.allergies (tenant_id, patient_id, kind, display, recorded_by)
       values ($1, $2, 'none_known', 'No known allergies', $3)`,
      [tenant, patientId, staff.doctor],
    )
    await tx.query(
      `insert into facility.locations (tenant_id, id, clinic_id, kind, code, name)
       values ($1, $2, $3, 'store', 'PHARM', 'Pharmacy')`,
      [tenant, storeId, clinicId],
    )
    return [await addDrugs(tx), await addItems(tx, tenant)] as const
  })
  return {
    hospital,
    patientId,
    encounters,
    admissionId,
    doctorId,
    staff,
    storeId,
    drugs,
    items,
    asDoctor: (work) => hospital.run(work, { role: 'doctor' }),
    asPharmacist: (work) => hospital.run(work, { user: users[1], role: 'pharmacist' }),
    asSuperuser,
  }
}

function addDrugs(tx: Transaction): Promise<Record<DrugName, string>> {
  return eachDrug(async (name) => {
    const { ingredient, schedule, list, highAlert } = catalogue[name]
    const rows = await tx.query<{ id: string }>(
      `insert into medication.drugs (code, generic_name, form, strength, route, schedule, is_high_alert, telemedicine_list)
       values ($1, $2, 'tablet', '500 mg', '{oral}', $3, $4, $5) returning id`,
      [`test-${name}`, ingredient, schedule, highAlert, list],
    )
    const [{ id } = { id: '' }] = rows
    await tx.query(
      `insert into medication.drug_ingredients (drug_id, ingredient_code, ingredient_name, strength_value, strength_unit)
       values ($1, $2, $2, 500, 'mg')`,
      [id, ingredient],
    )
    return id
  })
}

function addItems(tx: Transaction, tenant: string): Promise<Record<DrugName, string>> {
  return eachDrug(async (name) => {
    const [{ id } = { id: '' }] = await tx.query<{ id: string }>(
      `insert into inventory.items (tenant_id, sku, name, kind, drug_id, gst_rate, base_unit, is_batch_tracked, active)
       select $1, $2, $2, 'drug', d.id, 12, 'tablet', true, true from medication.drugs d where d.code = 'test-' || $2
       returning id`,
      [tenant, name],
    )
    return id
  })
}

async function eachDrug(make: (name: DrugName) => Promise<string>): Promise<Record<DrugName, string>> {
  const made: Partial<Record<DrugName, string>> = {}
  for (const name of Object.keys(catalogue) as DrugName[]) made[name] = await make(name)
  return made as Record<DrugName, string>
}

/** Puts a batch that expires in so many days into the store; returns its id. */
export function addBatch(pharmacy: Pharmacy, drug: DrugName, quantity: number, days: number): Promise<string> {
  const id = randomUUID()
  return pharmacy.asSuperuser(async (tx) => {
    const { tenant } = pharmacy.hospital
    await tx.query(
      `insert into inventory.batches (tenant_id, id, item_id, batch_no, expiry_on, mrp, purchase_price, tax_rate)
       values ($1, $2, $3, $4, current_date + $5::int, 10, 6, 12)`,
      [tenant, id, pharmacy.items[drug], `B-${days}-${drug}`, days],
    )
    await tx.query(`update inventory.batches set status = 'available' where tenant_id = $1 and id = $2`, [tenant, id])
    await tx.query(`select inventory.post_movement('opening', $1, $2, $3, 'test', $2, $4, 'first count', $5)`, [
      pharmacy.storeId,
      id,
      quantity,
      `opening ${drug} ${quantity} ${days}`,
      pharmacy.staff.pharmacist,
    ])
    return id
  })
}

/** What the store has of a batch. */
export async function onHand(pharmacy: Pharmacy, batch: string): Promise<number> {
  const [row] = await pharmacy.asSuperuser((tx) =>
    tx.query<{ onHand: string }>('select on_hand as "onHand" from inventory.stock_balances where batch_id = $1', [
      batch,
    ]),
  )
  return Number(row?.onHand)
}

export function medicine(pharmacy: Pharmacy, drug: DrugName, changes: Partial<NewPrescriptionItem> = {}) {
  return {
    id: randomUUID(),
    drugId: pharmacy.drugs[drug],
    doseValue: 1,
    doseUnit: 'tablet',
    route: 'oral',
    frequencyCode: 'BD',
    durationDays: 5,
    quantity: 10,
    ...changes,
  }
}

/** A signed prescription with one medicine. */
export async function prescribe(
  pharmacy: Pharmacy,
  drug: DrugName,
  changes: Partial<NewPrescriptionItem> = {},
  context: PrescriptionContext = 'opd',
): Promise<{ prescriptionId: string; itemId: string }> {
  const item = medicine(pharmacy, drug, changes)
  const encounterId = pharmacy.encounters[context === 'ipd' ? 'ward' : 'clinic']
  const { id } = await pharmacy.asDoctor((tx) =>
    draftPrescription(tx, { encounterId, doctorId: pharmacy.doctorId, context, items: [item] }),
  )
  await pharmacy.asDoctor((tx) => activatePrescription(tx, { prescriptionId: id, allergiesReviewed: true }))
  return { prescriptionId: id, itemId: item.id }
}
