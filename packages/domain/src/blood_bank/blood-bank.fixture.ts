import { randomUUID } from 'node:crypto'
import { withTenant } from '@imhotep/kernel'
import { connect, type Database, type Transaction } from '@imhotep/postgres'
import { hospitalDatabase } from '../../../../tests/support/database.ts'
import { contextOf, makeTenant } from '../../../../tests/support/tenants.ts'
import { enterTest, verifyTest } from './donation-tests.ts'
import { finishCollection, screenDonor, startCollection } from './donations.ts'
import { registerDonor } from './donors.ts'
import { confirmPatientGroup, recordPatientGroup } from './patient-groups.ts'
import { acceptRequest, requestBlood } from './requests.ts'
import type { DonationTestName } from './rows-of-donors.ts'
import type { BloodComponent, BloodRequest, BloodUnit } from './rows-of-units.ts'
import { prepareUnit, releaseDonation } from './units.ts'

/** A tenant with a blood bank in a database of its own. */
export interface BloodBank {
  /** As superuser. */
  readonly admin: Database
  readonly tenant: string
  /** Five members of staff; the third is a doctor with the same id. */
  readonly staff: readonly [string, string, string, string, string]
  readonly doctor: string
  readonly refrigerator: string
  /** Runs work as imhotep_app in the tenant. */
  readonly run: <T>(work: (tx: Transaction) => Promise<T>) => Promise<T>
  /** Runs one statement in the tenant that no application may send. */
  readonly force: (sql: string, params?: unknown[]) => Promise<unknown>
  readonly close: () => Promise<void>
}

/** Makes a blood bank; `connections` is how many clients can be at work at the same time. */
export async function openBloodBank(connections = 5): Promise<BloodBank> {
  const database = await hospitalDatabase()
  const admin = connect(database.url)
  const app = connect(database.appUrl, { max: connections })
  const tenant = await makeTenant(admin)
  const context = contextOf(tenant)
  const staff = [randomUUID(), randomUUID(), randomUUID(), randomUUID(), randomUUID()] as const
  const [clinic, department, refrigerator] = [randomUUID(), randomUUID(), randomUUID()]
  await withTenant(admin, context, async (tx) => {
    await tx.query(
      `insert into facility.clinics (tenant_id, id, code, name, kind, country, timezone, pin_code)
       values ($1, $2, 'MAIN', 'Main', 'hospital', 'IN', 'Asia/Kolkata', '560001')`,
      [tenant, clinic],
    )
    await tx.query(`update facility.clinics set status = 'active' where tenant_id = $1`, [tenant])
    await tx.query(
      `insert into facility.departments (tenant_id, id, clinic_id, code, name, kind)
       values ($1, $2, $3, 'BB', 'Blood bank', 'clinical')`,
      [tenant, department, clinic],
    )
    await tx.query(
      `insert into facility.locations (tenant_id, id, clinic_id, kind, code, name)
       values ($1, $2, $3, 'cold_store', 'FRIDGE', 'Blood refrigerator')`,
      [tenant, refrigerator, clinic],
    )
    for (const [index, id] of staff.entries()) {
      await tx.query(
        `insert into workforce.staff (
           tenant_id, id, employee_code, given_name, sex, phone_enc, phone_bidx, kind, department_id, designation,
           employment_type, joined_on
         )
         values ($1, $2, $3, 'Test', 'unknown', '\\x01', sha256($4), 'doctor', $5, 'Test', 'full_time', '2020-01-01')`,
        [tenant, id, `E-${index}`, Buffer.from(id), department],
      )
    }
    await tx.query(
      `insert into workforce.doctors (tenant_id, id, staff_id, registration_no, registration_council, qualification)
       values ($1, $2, $2, 'R-1', 'Test council', 'MBBS')`,
      [tenant, staff[2]],
    )
  })
  return {
    admin,
    tenant,
    staff,
    doctor: staff[2],
    refrigerator,
    run: (work) => withTenant(app, context, work),
    force: (sql, params = []) => withTenant(admin, context, (tx) => tx.query(sql, params)),
    close: async () => {
      await app.close()
      await admin.close()
      await database.drop()
    },
  }
}

export interface Recipient {
  readonly patientId: string
  readonly encounterId: string
  /** Two samples that were taken independently. */
  readonly samples: readonly [string, string]
}

/** A patient in a stay, with two samples; with a group, which both samples confirm. */
export async function addRecipient(bank: BloodBank, group?: string): Promise<Recipient> {
  const [patientId, encounterId] = [randomUUID(), randomUUID()]
  await bank.force(
    `with place as (select clinic_id, id as department_id from facility.departments where tenant_id = $1),
     person as (
       insert into patient.patients (tenant_id, id, mrn, given_name, name_phonetic, sex, registered_clinic_id)
       select $1, $2::uuid, 'M-' || translate($2::uuid::text, '0123456789', 'ghijklmnop'), 'Test', '', 'unknown', clinic_id from place
     )
     insert into clinical.encounters (
       tenant_id, id, encounter_number, patient_id, clinic_id, department_id, class, priority, period, payer_class
     )
     select $1, $3::uuid, 'E-' || $3::uuid::text, $2, clinic_id, department_id, 'IMP', 'routine', tstzrange(now(), null), 'self'
     from place`,
    [bank.tenant, patientId, encounterId],
  )
  const samples = [
    await addSample(bank, patientId, encounterId),
    await addSample(bank, patientId, encounterId),
  ] as const
  if (group !== undefined) {
    const [abo, rhd] = [group.slice(0, -1) as 'A' | 'B' | 'AB' | 'O', group.endsWith('+') ? 'pos' : 'neg'] as const
    const [testedBy, verifiedBy] = bank.staff
    await bank.run(async (tx) => {
      const result = { patientId, abo, rhd, testedBy, antibodyScreen: 'negative' } as const
      await recordPatientGroup(tx, { ...result, sampleId: samples[0] })
      const second = await recordPatientGroup(tx, { ...result, sampleId: samples[1] })
      await confirmPatientGroup(tx, second.id, verifiedBy)
    })
  }
  return { patientId, encounterId, samples }
}

/** A sample of blood that was collected so many hours ago. */
export async function addSample(
  bank: BloodBank,
  patientId: string,
  encounterId: string,
  options: { hoursAgo?: number; parentId?: string } = {},
): Promise<string> {
  const id = randomUUID()
  await bank.force(
    `with ordered as (
       insert into laboratory.lab_orders (
         tenant_id, id, order_number, patient_id, encounter_id, clinic_id, source, ordering_doctor_id, priority,
         ordered_at, due_at
       )
       select $1, $2::uuid, 'L-' || $2::uuid::text, $3, $4, e.clinic_id, 'ipd', $5, 'routine', now(), now() + interval '1 day'
       from clinical.encounters e where e.id = $4
     )
     insert into laboratory.samples (
       tenant_id, id, accession_number, barcode, order_id, patient_id, specimen_type, container, parent_sample_id,
       aliquot_no
     )
     values ($1, $2::uuid, 'S-' || $2::uuid::text, 'B-' || $2::uuid::text, $2, $3, 'blood', 'edta', $6, $7)`,
    [
      bank.tenant,
      id,
      patientId,
      encounterId,
      bank.doctor,
      options.parentId ?? null,
      options.parentId === undefined ? null : 1,
    ],
  )
  await bank.force(
    `update laboratory.samples
     set status = 'collected', collected_at = now() - make_interval(hours => $2), collected_by = $3,
       patient_id_check = 'wristband_scan'
     where id = $1`,
    [id, options.hoursAgo ?? 1, bank.staff[0]],
  )
  return id
}

let serial = 0

/** A new voluntary donor of 30 years. */
export async function addDonor(bank: BloodBank, birthDate = '1996-01-01'): Promise<string> {
  const mobileBidx = Buffer.from(randomUUID())
  const input = { name: 'Donor', sex: 'male', birthDate, mobileEnc: Buffer.from([1]), mobileBidx } as const
  return (await bank.run((tx) => registerDonor(tx, input))).id
}

/** What a healthy donor measures. */
export const healthy = {
  kind: 'whole_blood',
  donationSite: 'centre',
  weightKg: 70,
  haemoglobinGDl: 14,
  systolic: 120,
  diastolic: 80,
  pulse: 72,
  temperatureC: 36.8,
} as const

/** A collected donation, of a new donor unless one is given. */
export async function addDonation(bank: BloodBank, donorId?: string): Promise<{ id: string; din: string }> {
  const [staff] = bank.staff
  const donor = donorId ?? (await addDonor(bank))
  const din = `A999926${String(++serial).padStart(6, '0')}`
  return bank.run(async (tx) => {
    const { id } = await screenDonor(tx, { ...healthy, donorId: donor, screenedBy: staff })
    await startCollection(tx, { donationId: id, din, bagLot: 'LOT', bagType: 'triple', phlebotomistId: staff })
    await finishCollection(tx, { donationId: id, volumeMl: 450 })
    return { id, din }
  })
}

/** Enters and verifies every mandatory test; `reactive` names those that are. */
export async function testDonation(
  bank: BloodBank,
  donationId: string,
  group: string,
  reactive: readonly DonationTestName[] = [],
): Promise<void> {
  const [testedBy, verifiedBy] = bank.staff
  const abo = group.slice(0, -1) as 'A' | 'B' | 'AB' | 'O'
  const results = [
    ...(['HIV', 'HBSAG', 'HCV', 'SYPHILIS', 'MALARIA'] as const).map((test) => ({
      test,
      result: reactive.includes(test) ? ('reactive' as const) : ('non_reactive' as const),
    })),
    { test: 'ABO_FORWARD' as const, groupResult: abo },
    { test: 'ABO_REVERSE' as const, groupResult: abo },
    { test: 'RHD' as const, groupResult: group.endsWith('+') ? ('pos' as const) : ('neg' as const) },
  ]
  await bank.run(async (tx) => {
    for (const result of results) {
      const kit = { donationId, method: 'clia', kitLot: 'K1', kitExpiry: '2099-01-01', testedBy }
      await verifyTest(tx, (await enterTest(tx, { ...kit, ...result })).id, verifiedBy)
    }
  })
}

/** A released unit of a new donor. */
export async function addUnit(
  bank: BloodBank,
  group: string,
  component: BloodComponent = 'PRBC',
  expiresInDays?: number,
): Promise<BloodUnit> {
  const donation = await addDonation(bank)
  await testDonation(bank, donation.id, group)
  return bank.run(async (tx) => {
    const unit = await prepareUnit(tx, {
      donationId: donation.id,
      component,
      productCode: 'E0150V00',
      volumeMl: 280,
      storageLocationId: bank.refrigerator,
      preparedBy: bank.staff[0],
      ...(expiresInDays !== undefined && { expiresAt: new Date(Date.now() + expiresInDays * 86_400_000) }),
    })
    await releaseDonation(tx, donation.id, bank.staff[1])
    return unit
  })
}

/** An accepted request of a doctor for a recipient. */
export async function addRequest(
  bank: BloodBank,
  { patientId, encounterId }: Recipient,
  units = 1,
  component: BloodComponent = 'PRBC',
): Promise<BloodRequest> {
  return bank.run(async (tx) => {
    const request = { patientId, encounterId, component, units, indication: 'anaemia', requestedBy: bank.doctor }
    return acceptRequest(tx, (await requestBlood(tx, request)).id)
  })
}

/** The element at `index`, which must be there. */
export function at<T>(list: readonly T[], index: number): T {
  const element = list[index]
  if (element === undefined) throw new Error(`no element ${index} in a list of ${list.length}`)
  return element
}
