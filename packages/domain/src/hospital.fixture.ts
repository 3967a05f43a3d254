import { createHash, randomUUID } from 'node:crypto'
import { withTenant, type RequestContext } from '@imhotep/kernel'
import { connect, type Database, type Transaction } from '@imhotep/postgres'
import { atEnd } from '../../../tests/support/at-end.ts'
import { hospitalDatabase } from '../../../tests/support/database.ts'
import { moveToAnotherDay } from '../../../tests/support/tenants.ts'
import { configureSeries } from './core/numbers.ts'
import { registerPatient } from './patient/register.ts'

/** A tenant with one active clinic, one department and two users. */
export interface Hospital {
  /** As imhotep_app. */
  readonly app: Database
  /** As superuser, who sees all tenants. */
  readonly admin: Database
  readonly tenant: string
  /** The second user approves what the first asks for. */
  readonly users: readonly [string, string]
  readonly clinicId: string
  readonly departmentId: string
  /** Runs work as imhotep_app in the tenant. */
  readonly run: <T>(work: (tx: Transaction) => Promise<T>, context?: Partial<RequestContext>) => Promise<T>
}

interface Shared {
  readonly app: Database
  readonly admin: Database
}

let shared: Promise<Shared> | undefined

/** One database, and backends that know its functions already, for every hospital of a run. */
function openShared(): Promise<Shared> {
  shared ??= hospitalDatabase().then((database) => {
    const app = connect(database.appUrl)
    const admin = connect(database.url)
    atEnd(async () => {
      await app.close()
      await admin.close()
      await database.drop()
    })
    return { app, admin }
  })
  return shared
}

/** Gives `work` a hospital of its own: a new tenant in the database that all of them share. */
export async function withHospital(work: (hospital: Hospital) => Promise<void>): Promise<void> {
  const { app, admin } = await openShared()
  await work(await openHospital(app, admin))
}

async function openHospital(app: Database, admin: Database): Promise<Hospital> {
  const tenant = randomUUID()
  const users = [randomUUID(), randomUUID()] as const
  const clinicId = randomUUID()
  const departmentId = randomUUID()
  const context: RequestContext = { tenant, user: users[0], role: 'receptionist', purpose: 'TREAT' }
  const run: Hospital['run'] = (task, changes = {}) => withTenant(app, { ...context, ...changes }, task)

  await withTenant(admin, context, async (tx) => {
    const code = `t${tenant.slice(0, 8)}`
    await tx.query(`select core.provision_tenant($1, $2, 'Test', 'hospital', 'IN', 'Asia/Kolkata', 'INR')`, [
      tenant,
      code,
    ])
    await tx.query(
      `insert into facility.clinics (tenant_id, id, code, name, kind, country, pin_code, timezone)
      values ($1, $2, 'MAIN', 'Main', 'hospital', 'IN', '110001', 'Asia/Kolkata')`,
      [tenant, clinicId],
    )
    await tx.query(`update facility.clinics set status = 'active' where id = $1`, [clinicId])
    await tx.query(
      `insert into facility.departments (tenant_id, id, clinic_id, code, name, kind)
      values ($1, $2, $3, 'OPD', 'Outpatients', 'clinical')`,
      [tenant, departmentId, clinicId],
    )
    for (const [index, user] of users.entries()) {
      await tx.query(
        `insert into auth.users (tenant_id, id, username, display_name, primary_role, email_enc, email_bidx)
        values ($1, $2, $3, 'Test', 'receptionist', '\\x01', $4)`,
        [tenant, user, `user${index}`, digest(user)],
      )
      await tx.query(`update auth.users set status = 'active' where id = $1`, [user])
    }
    await configureSeries(tx, { scope: 'mrn', series: '', prefix: 'MRN', pad: 6 })
  })
  return { app, admin, tenant, users, clinicId, departmentId, run }
}

/** Registers a person whom nobody else resembles; returns the id. */
export async function addPatient(hospital: Hospital, name: string, birthDate = '1980-01-01'): Promise<string> {
  const demographics = { givenName: name, birthDate, registeredClinicId: hospital.clinicId }
  const { patientId } = await hospital.run((tx) => registerPatient(tx, { demographics }))
  if (patientId === null) throw new Error('the patient looks like another one')
  return patientId
}

/** Opens a slot of 30 minutes that begins in so many hours; returns its id. */
export async function addSlot(hospital: Hospital, hours: number, capacity = 1): Promise<string> {
  const id = randomUUID()
  const { tenant, clinicId, departmentId } = hospital
  await hospital.run((tx) =>
    tx.query(
      `insert into scheduling.appointment_slots
        (tenant_id, id, clinic_id, department_id, starts_at, ends_at, capacity)
      values ($1, $2, $3, $4, date_trunc('hour', now()) + make_interval(hours => $5),
        date_trunc('hour', now()) + make_interval(hours => $5, mins => 30), $6)`,
      [tenant, id, clinicId, departmentId, hours, capacity],
    ),
  )
  return id
}

/** Moves tenant and clinic to a time zone whose date now is not the server's; returns that date. */
export async function useOtherDate({ admin, tenant, users, clinicId }: Hospital): Promise<string> {
  const context: RequestContext = { tenant, user: users[0], role: 'admin', purpose: 'TREAT' }
  return withTenant(admin, context, async (tx) => {
    const { zone, date } = await moveToAnotherDay(tx, tenant)
    await tx.query('update facility.clinics set timezone = $2 where id = $1', [clinicId, zone])
    return date
  })
}

/** SHA-256 of a text: stands for blind indexes and content hashes. */
export function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
