import { refuse } from '../define.ts'

// Patients: IM21x.
export const DuplicateIdentifierError = refuse(
  'IM210',
  'DuplicateIdentifierError',
  'IMH_DUPLICATE_IDENTIFIER',
  'another patient has this identifier',
  'open the existing record, or correct the identifier',
)
export const LikelyDuplicateError = refuse(
  'IM211',
  'LikelyDuplicateError',
  'IMH_LIKELY_DUPLICATE',
  'a patient very much like this one exists',
  'choose one of the candidates, or register with force and a reason',
)
export const InvalidPatientDataError = refuse(
  'IM212',
  'InvalidPatientDataError',
  'IMH_INVALID_PATIENT_DATA',
  'the medical record number or a date is malformed',
  'correct the number or the date',
)
export const AbhaConflictError = refuse(
  'IM213',
  'AbhaConflictError',
  'IMH_ABHA_CONFLICT',
  'both records have their own ABHA number',
  'unlink one of the numbers first',
)
export const OpenAdmissionsError = refuse(
  'IM214',
  'OpenAdmissionsError',
  'IMH_OPEN_ADMISSIONS',
  'both records have an open admission',
  'close one of the admissions first',
)
