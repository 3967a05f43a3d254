import { refuse } from '../define.ts'

// Beds and stays: IM20x.
export const BedTakenError = refuse(
  'IM200',
  'BedTakenError',
  'IMH_BED_TAKEN',
  'another stay covers part of the requested time',
  'release the bed first, or choose a vacant one from facility.bed_board',
)
export const PatientInBedError = refuse(
  'IM201',
  'PatientInBedError',
  'IMH_PATIENT_IN_BED',
  'the patient already has a bed',
  'transfer the patient instead of allocating a second bed',
)
export const BedPolicyError = refuse(
  'IM202',
  'BedPolicyError',
  'IMH_BED_POLICY',
  'the bed does not suit the patient: sex, care class or isolation',
  'choose another bed, or correct the policy of the ward',
)
export const NotClearedError = refuse(
  'IM203',
  'NotClearedError',
  'IMH_NOT_CLEARED',
  'the stay is not cleared for discharge',
  'the message names what is open: pharmacy, billing, blood units, due doses',
)
export const BedBlockedError = refuse(
  'IM204',
  'BedBlockedError',
  'IMH_BED_BLOCKED',
  'the bed is blocked, being cleaned or under maintenance',
  'choose a vacant bed',
)
export const SummaryMissingError = refuse(
  'IM205',
  'SummaryMissingError',
  'IMH_SUMMARY_MISSING',
  'there is no final discharge summary',
  'approve the summary first; death and leaving against advice have their own form',
)
