import { actingDoctorId, actingDoctorIdSql, actingStaffId, actingStaffIdSql } from './acting-staff.ts'

/** The operations of schema/workforce that an application may call. */
export const workforceOperations = {
  'workforce.acting_staff_id': { sql: actingStaffIdSql, call: actingStaffId },
  'workforce.acting_doctor_id': { sql: actingDoctorIdSql, call: actingDoctorId },
} as const
