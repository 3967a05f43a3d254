import { refuse } from '../define.ts'

// Tasks and handovers: IM75x.
export const NotAddresseeError = refuse(
  'IM750',
  'NotAddresseeError',
  'IMH_NOT_ADDRESSEE',
  'the handover is addressed to somebody else',
  'ask the addressee to accept it',
)
export const NotReadBackError = refuse(
  'IM751',
  'NotReadBackError',
  'IMH_NOT_READ_BACK',
  'a patient of the handover was not read back',
  'read every patient back, then accept',
)
export const ShiftClosedError = refuse(
  'IM752',
  'ShiftClosedError',
  'IMH_SHIFT_CLOSED',
  'the shift is closed, or still has open tasks',
  'hand the open tasks over first',
)
export const ClockSkewError = refuse(
  'IM753',
  'ClockSkewError',
  'IMH_CLOCK_SKEW',
  'the clock of the device is more than five minutes ahead',
  'set the clock of the device and send the operation again',
)
export const VerificationMismatchError = refuse(
  'IM754',
  'VerificationMismatchError',
  'IMH_VERIFICATION_MISMATCH',
  'the verification is over, or lacks what it must show',
  'open a new verification',
)
