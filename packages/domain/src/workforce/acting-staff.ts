import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export const actingStaffIdSql = 'select workforce.acting_staff_id() as id'

/**
 * The member of staff who is signed in.
 * @throws NotPermittedError (IM006) the user is no member of staff, suspended or gone
 */
export async function actingStaffId(tx: Transaction): Promise<string> {
  return single(await tx.query<{ id: string }>(actingStaffIdSql)).id
}

export const actingDoctorIdSql = 'select workforce.acting_doctor_id() as id'

/**
 * The doctor who is signed in.
 * @throws NotPermittedError (IM006) the user is no doctor
 */
export async function actingDoctorId(tx: Transaction): Promise<string> {
  return single(await tx.query<{ id: string }>(actingDoctorIdSql)).id
}
