import { randomUUID } from 'node:crypto'
import type { Transaction } from '@imhotep/postgres'

/** A row that other services keep something of. */
export async function addClinic(tx: Transaction, name = 'A clinic'): Promise<string> {
  const [{ id } = { id: '' }] = await tx.query<{ id: string }>(
    `insert into facility.clinics (tenant_id, code, name, kind, country, timezone)
     values (core.current_tenant_id(), $1, $2, 'clinic', 'IN', 'Asia/Kolkata') returning id`,
    [`C${randomUUID().slice(0, 8)}`, name],
  )
  return id
}

/** A row of lab that may refer to one of clinical. */
export function addDonor(tx: Transaction, patient: string | null): Promise<{ id: string }[]> {
  const number = randomUUID()
  const mobile = Buffer.from(`mobile ${number}`)
  return tx.query<{ id: string }>(
    `insert into blood_bank.donors (tenant_id, donor_number, patient_id, name, sex, birth_date, mobile_enc, mobile_bidx, donor_type)
     values (core.current_tenant_id(), $1, $2, 'A donor', 'female', '1990-01-01', $3, $3, 'voluntary') returning id`,
    [`D-${number.slice(0, 8)}`, patient, mobile],
  )
}
