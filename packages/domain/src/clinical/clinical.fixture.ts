import { randomUUID } from 'node:crypto'
import { withTenant } from '@imhotep/kernel'
import { addPatient, digest, withHospital, type Hospital } from '../hospital.fixture.ts'
import { admitPatient, requestAdmission } from './admit.ts'
import type { DischargeKind } from './admission.ts'
import {
  approveDischargeSummary,
  prepareDischargeSummary,
  submitDischargeSummary,
  type DischargeSummary,
} from './discharge-summaries.ts'
import { arriveEncounter, startEncounter } from './move-encounter.ts'
import { openEncounter } from './open-encounter.ts'

/** A hospital whose two users are doctors, with a ward of beds. */
export interface WardHospital extends Hospital {
  /** Members of staff of the two users, and their ids as doctors. */
  readonly staff: readonly [string, string]
  readonly doctors: readonly [string, string]
  readonly wardId: string
  readonly close: () => Promise<void>
}

/** Opens a ward hospital for the tests of one file; close it after them. */
export async function openWardHospital(): Promise<WardHospital> {
  let finish = (): void => undefined
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  let closed: Promise<void> | undefined
  const hospital = await new Promise<Hospital>((resolve, reject) => {
    closed = withHospital(async (opened) => {
      resolve(opened)
      await finished
    })
    closed.catch(reject)
  })
  const staff = [randomUUID(), randomUUID()] as const
  const doctors = [randomUUID(), randomUUID()] as const
  const wardId = randomUUID()
  await asAdmin(hospital, async (query) => {
    for (const [index, staffId] of staff.entries()) {
      await query(
        `insert into workforce.staff (
           tenant_id, id, employee_code, user_id, given_name, sex, phone_enc, phone_bidx, kind, department_id,
           designation, employment_type, joined_on
         )
         values ($1, $2, $3, $4, 'Test', 'unknown', '\\x01', $5, 'doctor', $6, 'Consultant', 'full_time', '2020-01-01')`,
        [hospital.tenant, staffId, `E${index}`, hospital.users[index], digest(staffId), hospital.departmentId],
      )
      await query(
        `insert into workforce.doctors (tenant_id, id, staff_id, registration_no, registration_council, qualification)
         values ($1, $2, $3, $4, 'Test council', 'MBBS')`,
        [hospital.tenant, doctors[index], staffId, `R${index}`],
      )
    }
  })
  const ward = { ...hospital, staff, doctors, wardId, close: () => (finish(), closed ?? Promise.resolve()) }
  await addPlace(ward, { id: wardId })
  return ward
}

type Query = (sql: string, params: unknown[]) => Promise<unknown>

/** Runs statements in the tenant that no application may send. */
export function asAdmin<T>(hospital: Hospital, work: (query: Query) => Promise<T>): Promise<T> {
  const context = { tenant: hospital.tenant, user: hospital.users[0], role: 'doctor', purpose: 'TREAT' } as const
  return withTenant(hospital.admin, context, (tx) => work((sql, params) => tx.query(sql, params)))
}

export interface Place {
  readonly id?: string
  readonly kind?: 'ward' | 'room'
  readonly insideId?: string
  readonly sexPolicy?: 'any' | 'male' | 'female' | 'paediatric'
  readonly careClass?: string
  readonly isolationCapable?: boolean
}

/** Makes a ward or room; returns its id. */
export async function addPlace(hospital: Hospital, place: Place = {}): Promise<string> {
  const { id = randomUUID(), kind = 'ward', insideId = null, sexPolicy = 'any', careClass = 'general' } = place
  await asAdmin(hospital, (query) =>
    query(
      `insert into facility.locations (
         tenant_id, id, clinic_id, parent_location_id, kind, code, name, care_class, sex_policy, isolation_capable
       )
       values ($1, $2, $3, $4, $5, $6, 'Test', $7, $8, $9)`,
      [
        hospital.tenant,
        id,
        hospital.clinicId,
        insideId,
        kind,
        `W${id.slice(0, 8)}`,
        careClass,
        sexPolicy,
        place.isolationCapable ?? false,
      ],
    ),
  )
  return id
}

/** Puts a vacant bed into a place, by default the ward; returns its id. */
export async function addBed(hospital: WardHospital, locationId = hospital.wardId): Promise<string> {
  const id = randomUUID()
  await asAdmin(hospital, (query) =>
    query('insert into facility.beds (tenant_id, id, location_id, code) values ($1, $2, $3, $4)', [
      hospital.tenant,
      id,
      locationId,
      id,
    ]),
  )
  return id
}

let people = 0

/** Registers an adult whom nobody else resembles: everybody is born on another day. Returns the id. */
export function addPerson(hospital: Hospital): Promise<string> {
  people += 1
  return addPatient(hospital, 'Test', new Date(Date.UTC(1980, 0, people)).toISOString().slice(0, 10))
}

export interface Visit {
  readonly patientId: string
  readonly encounterId: string
}

/** A patient who is being seen in the clinic. */
export async function addVisit(hospital: WardHospital): Promise<Visit> {
  const patientId = await addPerson(hospital)
  const { id } = await hospital.run(async (tx) => {
    const { id: encounterId } = await openEncounter(tx, {
      patientId,
      encounterClass: 'AMB',
      departmentId: hospital.departmentId,
      attendingDoctorId: hospital.doctors[0],
    })
    await arriveEncounter(tx, encounterId)
    return startEncounter(tx, encounterId)
  })
  return { patientId, encounterId: id }
}

export interface Stay extends Visit {
  readonly admissionId: string
  readonly bedId: string
}

/** A patient who is admitted to a bed of the ward. */
export async function addStay(hospital: WardHospital): Promise<Stay> {
  const patientId = await addPerson(hospital)
  const bedId = await addBed(hospital)
  return hospital.run(async (tx) => {
    const { id: encounterId } = await openEncounter(tx, {
      patientId,
      encounterClass: 'IMP',
      departmentId: hospital.departmentId,
    })
    const { id: admissionId } = await requestAdmission(tx, {
      encounterId,
      admissionType: 'elective',
      careClass: 'general',
      admittingDoctorId: hospital.doctors[0],
    })
    await admitPatient(tx, admissionId, bedId)
    return { patientId, encounterId, admissionId, bedId }
  })
}

export const summaryContent = {
  finalDiagnoses: [{ code_system: 'http://hl7.org/fhir/sid/icd-10', code: 'K35.8', icd10: 'K35.8', display: 'Test' }],
  courseEnc: Buffer.from('encrypted course'),
  conditionAtDischarge: 'stable',
} as const

/** Prepares the summary of a stay as the first user and has the second approve it. */
export async function addFinalSummary(
  hospital: WardHospital,
  { admissionId }: Stay,
  kind: DischargeKind = 'normal',
): Promise<DischargeSummary> {
  const { id } = await hospital.run(async (tx) => {
    const draft = await prepareDischargeSummary(tx, admissionId, kind, summaryContent)
    return submitDischargeSummary(tx, draft.id)
  })
  return hospital.run((tx) => approveDischargeSummary(tx, id), { user: hospital.users[1] })
}
