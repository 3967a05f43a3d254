// Wrappers of the operations of schema/workforce.
export { actingDoctorId, actingStaffId } from './acting-staff.ts'
