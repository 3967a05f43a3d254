import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { admissionColumns, type Admission, type AdmissionType, type CareClass } from './admission.ts'

export interface RequestAdmissionInput {
  readonly encounterId: string
  readonly admissionType: AdmissionType
  readonly careClass: CareClass
  readonly admittingDoctorId: string
  /** Calendar date, YYYY-MM-DD. */
  readonly expectedDischargeOn?: string
}

export const requestAdmissionSql = `select ${admissionColumns}\nfrom clinical.request_admission($1, $2, $3, $4, $5)`

/**
 * Asks for the admission of an inpatient encounter. Asked again: the same admission.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function requestAdmission(tx: Transaction, input: RequestAdmissionInput): Promise<Admission> {
  const { encounterId, admissionType, careClass, admittingDoctorId, expectedDischargeOn = null } = input
  return single(
    await tx.query<Admission>(requestAdmissionSql, [
      encounterId,
      admissionType,
      careClass,
      admittingDoctorId,
      expectedDischargeOn,
    ]),
  )
}

export const admitPatientSql = `select ${admissionColumns}\nfrom clinical.admit($1, $2)`

/**
 * Admits a patient and takes the bed, when one is named. Asked again: the same admission.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), BedTakenError (IM200), PatientInBedError (IM201),
 * BedPolicyError (IM202), BedBlockedError (IM204)
 */
export async function admitPatient(
  tx: Transaction,
  admissionId: string,
  bedId: string | null = null,
): Promise<Admission> {
  return single(await tx.query<Admission>(admitPatientSql, [admissionId, bedId]))
}

export const cancelAdmissionSql = `select ${admissionColumns}\nfrom clinical.cancel_admission($1, $2)`

/**
 * Cancels a requested admission and gives a bed that was kept for it back.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function cancelAdmission(tx: Transaction, admissionId: string, reason: string): Promise<Admission> {
  return single(await tx.query<Admission>(cancelAdmissionSql, [admissionId, reason]))
}
