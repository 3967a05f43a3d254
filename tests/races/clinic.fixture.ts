import { randomUUID } from 'node:crypto'
import { withTenant } from '@imhotep/kernel'
import { connect, type Database, type Transaction } from '@imhotep/postgres'
import { hospitalDatabase } from '../support/database.ts'
import { contextOf, makeTenant } from '../support/tenants.ts'

/** A hospital database with one clinic, and the connections that a race needs. */
export interface RaceClinic {
  readonly superuser: Database
  /** As applications log in. */
  readonly app: Database
  readonly tenant: string
  readonly clinic: string
  readonly department: string
  /** Runs `work` as a user of the tenant, by default as one and the same. */
  as: <T>(work: (tx: Transaction) => Promise<T>, user?: string) => Promise<T>
  /** Runs one statement in the tenant that no application may send. */
  asSuperuser: (sql: string, params: unknown[]) => Promise<unknown>
  close: () => Promise<void>
}

/** Makes an active clinic in a database of its own; `connections` is how many clients can be at work at the same time. */
export async function openRaceClinic(connections: number): Promise<RaceClinic> {
  const database = await hospitalDatabase()
  const superuser = connect(database.url)
  const app = connect(database.appUrl, { max: connections })
  const tenant = await makeTenant(superuser)
  const user = randomUUID()
  const clinic = randomUUID()
  const department = randomUUID()
  await withTenant(superuser, contextOf(tenant), async (tx) => {
    await tx.query(
      `insert into facility.clinics (tenant_id, id, code, name, kind, country, timezone, pin_code)
       values ($1, $2, 'MAIN', 'Main', 'clinic', 'IN', 'Asia/Kolkata', '560001')`,
      [tenant, clinic],
    )
    await tx.query(`update facility.clinics set status = 'active' where tenant_id = $1`, [tenant])
    await tx.query(
      `insert into facility.departments (tenant_id, id, clinic_id, code, name, kind)
       values ($1, $2, $3, 'OPD', 'Outpatients', 'clinical')`,
      [tenant, department, clinic],
    )
  })

  return {
    superuser,
    app,
    tenant,
    clinic,
    department,
    as: (work, actor = user) => withTenant(app, contextOf(tenant, { user: actor }), work),
    asSuperuser: (sql, params) => withTenant(superuser, contextOf(tenant), (tx) => tx.query(sql, params)),
    close: async () => {
      await app.close()
      await superuser.close()
      await database.drop()
    },
  }
}

/** SQL: the id as a code without digits, which chance could make look like a national number. */
const code = `translate(id::text, '0123456789', 'ghijklmnop')`

/** Registers made-up patients and returns their ids. */
export async function addPatients({ superuser, tenant, clinic }: RaceClinic, count: number): Promise<string[]> {
  const patients = Array.from({ length: count }, () => randomUUID())
  await withTenant(superuser, contextOf(tenant), (tx) =>
    tx.query(
      `insert into patient.patients (tenant_id, id, mrn, given_name, name_phonetic, sex, registered_clinic_id)
       select $1, id, 'M-' || ${code}, 'Test', '', 'unknown', $3 from unnest($2::uuid[]) id`,
      [tenant, patients, clinic],
    ),
  )
  return patients
}

export async function addDoctors({ superuser, tenant, department }: RaceClinic, count: number): Promise<string[]> {
  const doctors = Array.from({ length: count }, () => randomUUID())
  await withTenant(superuser, contextOf(tenant), async (tx) => {
    await tx.query(
      `insert into workforce.staff (
         tenant_id, id, employee_code, given_name, sex, phone_enc, phone_bidx, kind, department_id, designation,
         employment_type, joined_on
       )
       select $1, id, 'E-' || ${code}, 'Test', 'unknown', sha256(id::text::bytea), sha256(id::text::bytea), 'doctor', $3,
         'Consultant', 'full_time', '2020-01-01'
       from unnest($2::uuid[]) id`,
      [tenant, doctors, department],
    )
    await tx.query(
      `insert into workforce.doctors (tenant_id, id, staff_id, registration_no, registration_council, qualification)
       select $1, id, id, 'R-' || ${code}, 'Test council', 'MBBS' from unnest($2::uuid[]) id`,
      [tenant, doctors],
    )
  })
  return doctors
}

export interface SlotOptions {
  readonly capacity: number
  readonly count: number
  /** Days from today; the slots of a day begin at nine, local time, a quarter of an hour each. */
  readonly day: number
}

/** Makes consecutive open slots of a doctor and returns their ids. */
export async function addSlots(
  { superuser, tenant, clinic }: RaceClinic,
  doctor: string,
  { capacity, count, day }: SlotOptions,
): Promise<string[]> {
  const slots = Array.from({ length: count }, () => randomUUID())
  await withTenant(superuser, contextOf(tenant), (tx) =>
    tx.query(
      `insert into scheduling.appointment_slots (tenant_id, id, clinic_id, doctor_id, starts_at, ends_at, capacity)
       select $1, id, $3, $4, opening + (n - 1) * interval '15 minutes', opening + n * interval '15 minutes', $5
       from unnest($2::uuid[]) with ordinality u (id, n),
         lateral (select (current_date + $6::int + time '09:00') at time zone 'Asia/Kolkata' as opening) o`,
      [tenant, slots, clinic, doctor, capacity, day],
    ),
  )
  return slots
}

/** Ends the session of a transaction from outside, as a crash of its client or an operator would. */
export async function killSession(superuser: Database, tx: Transaction): Promise<void> {
  const [row] = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
  await superuser.query('select pg_terminate_backend($1)', [row?.pid])
}

/** Kills two of seven clients at their first attempt: one before its commit, one while it commits. */
export async function killSome(superuser: Database, tx: Transaction, client: number, attempt: number): Promise<void> {
  if (attempt > 0) return
  if (client % 7 === 3) await killSession(superuser, tx)
  // Not awaited: the kill and the commit race, and the client cannot know which of them won.
  if (client % 7 === 5) void killSession(superuser, tx).catch(() => undefined)
}

/** How often each answer was given. */
export function tally(answers: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const answer of answers) counts[answer] = (counts[answer] ?? 0) + 1
  return counts
}

/** The element at `index`, which must be there. */
export function at<T>(list: readonly T[], index: number): T {
  const element = list[index]
  if (element === undefined) throw new Error(`no element ${index} in a list of ${list.length}`)
  return element
}
