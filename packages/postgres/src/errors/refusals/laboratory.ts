import { refuse } from '../define.ts'

// Laboratory: IM30x and IM31x.
export const SampleMoveError = refuse(
  'IM300',
  'SampleMoveError',
  'IMH_SAMPLE_MOVE',
  'the sample cannot make this move',
  'core.transition_rules lists the moves of laboratory.samples',
)
export const RejectionReasonError = refuse(
  'IM301',
  'RejectionReasonError',
  'IMH_REJECTION_REASON',
  'a rejected sample needs a coded reason',
  'send the reason code of the rejection',
)
export const PatientNotIdentifiedError = refuse(
  'IM302',
  'PatientNotIdentifiedError',
  'IMH_PATIENT_NOT_IDENTIFIED',
  'the patient was not identified by two identifiers',
  'check two identifiers at the bedside, then collect',
)
export const BarcodeTakenError = refuse(
  'IM303',
  'BarcodeTakenError',
  'IMH_BARCODE_TAKEN',
  'the barcode is on another sample',
  'print a new label',
)
export const AliquotVolumeError = refuse(
  'IM304',
  'AliquotVolumeError',
  'IMH_ALIQUOT_VOLUME',
  'the aliquots hold more than the sample',
  'reduce the volumes',
)
export const StabilityExceededError = refuse(
  'IM305',
  'StabilityExceededError',
  'IMH_STABILITY_EXCEEDED',
  'the sample is older than the test allows',
  'reject it and collect again, or accept it with a stated exception',
)
export const QcRejectedError = refuse(
  'IM310',
  'QcRejectedError',
  'IMH_QC_REJECTED',
  'quality control of the device and test is rejected or missing',
  'run quality control and release the device first',
)
export const ResultImmutableError = refuse(
  'IM311',
  'ResultImmutableError',
  'IMH_RESULT_IMMUTABLE',
  'a final result cannot be changed',
  'use laboratory.correct_result: it adds a corrected row',
)
export const SamePersonError = refuse(
  'IM312',
  'SamePersonError',
  'IMH_SAME_PERSON',
  'the same person may not do both steps',
  'ask a second person',
)
export const CriticalNotNotifiedError = refuse(
  'IM313',
  'CriticalNotNotifiedError',
  'IMH_CRITICAL_NOT_NOTIFIED',
  'nobody was told of a critical value',
  'record the notification first',
)
