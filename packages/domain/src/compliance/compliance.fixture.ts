import { randomUUID } from 'node:crypto'
import { withTenant } from '@imhotep/kernel'
import type { Transaction } from '@imhotep/postgres'
import { addPerson, openWardHospital, type WardHospital } from '../clinical/clinical.fixture.ts'
import { digest, type Hospital } from '../hospital.fixture.ts'

/** A hospital whose first user is the privacy officer and whose second user checks them. */
export interface PrivacyOffice {
  readonly hospital: WardHospital
  readonly asOfficer: <T>(work: (tx: Transaction) => Promise<T>) => Promise<T>
  readonly asColleague: <T>(work: (tx: Transaction) => Promise<T>) => Promise<T>
}

export async function openPrivacyOffice(): Promise<PrivacyOffice> {
  const hospital = await openWardHospital()
  return {
    hospital,
    asOfficer: (work) => hospital.run(work, { role: 'auditor', purpose: 'HOPERAT' }),
    asColleague: (work) => hospital.run(work, { user: hospital.users[1], role: 'auditor', purpose: 'HOPERAT' }),
  }
}

/** Work in the tenant that no application may do. */
export function asInstaller<T>(hospital: Hospital, work: (tx: Transaction) => Promise<T>): Promise<T> {
  const { tenant, users, admin } = hospital
  return withTenant(admin, { tenant, user: users[0], role: 'admin', purpose: 'HOPERAT' }, work)
}

/** A file that is signed and scanned. */
export async function addDocument(hospital: Hospital, patientId: string | null = null): Promise<string> {
  const id = randomUUID()
  await asInstaller(hospital, async (tx) => {
    await tx.query(
      `insert into ehr.documents (
         tenant_id, id, document_number, patient_id, type_code, title, category, storage_uri, mime, size_bytes, sha256,
         key_kid, source, virus_scan, scanned_at
       )
       values ($1, $2::uuid, ($2::uuid)::text, $3, 'form', 'Test', 'consent', 's3://test/' || ($2::uuid)::text, 'application/pdf', 1, $4, 'k', 'scanned', 'clean', now())`,
      [hospital.tenant, id, patientId, digest(id)],
    )
    await tx.query(`update ehr.documents set status = 'current' where tenant_id = $1 and id = $2`, [
      hospital.tenant,
      id,
    ])
  })
  return id
}

/** A child of ten with a parent, who is verified as guardian or not. */
export async function addChild(hospital: WardHospital, verified: boolean): Promise<{ id: string; parent: string }> {
  const [id, parent] = [await addPerson(hospital), randomUUID()]
  await asInstaller(hospital, async (tx) => {
    await tx.query(`update patient.patients set birth_date = current_date - 3650 where tenant_id = $1 and id = $2`, [
      hospital.tenant,
      id,
    ])
    await tx.query(
      `insert into patient.patient_contacts (tenant_id, id, patient_id, name, relationship, is_legal_guardian, guardian_verified_at)
       values ($1, $2::uuid, $3, 'Parent', 'parent', true, case when $4 then now() end)`,
      [hospital.tenant, parent, id, verified],
    )
  })
  return { id, parent }
}

/** Somebody who was registered nine years ago and never seen since, with a data key of their own; returns id and kid. */
export async function addOldPatient(
  hospital: Hospital,
  { reachable = false }: { reachable?: boolean } = {},
): Promise<{ id: string; kid: string }> {
  const id = randomUUID()
  const kid = `person-${id}`
  await asInstaller(hospital, async (tx) => {
    await tx.query(
      `insert into patient.patients (
         tenant_id, id, mrn, given_name, family_name, name_phonetic, sex, birth_date, registered_clinic_id, created_at,
         mobile_enc, mobile_bidx, data_key_kid
       )
       values ($1, $2::uuid, 'OLD-' || ($2::uuid)::text, 'Once', 'Here', '', 'unknown', '1950-06-01', $3, now() - interval '9 years',
         case when $4 then $5::bytea end, case when $4 then $5::bytea end, $6)`,
      [hospital.tenant, id, hospital.clinicId, reachable, digest(id), kid],
    )
    await tx.query(
      `insert into core.encryption_keys (
         tenant_id, kid, purpose, algorithm, wrapped_key, kms_ref, rotate_after, subject_type, subject_id
       )
       values ($1, $2, 'field', 'AES-256-GCM', $3, 'test://key', now() + interval '1 year', 'patient', $4)`,
      [hospital.tenant, kid, digest(kid), id],
    )
  })
  return { id, kid }
}
