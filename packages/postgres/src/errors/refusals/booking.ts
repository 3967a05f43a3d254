import { refuse } from '../define.ts'

// Booking and queues: IM1xx.
export const NoSuchSlotError = refuse(
  'IM100',
  'NoSuchSlotError',
  'IMH_NO_SUCH_SLOT',
  'the slot does not exist or is not open',
  'ask for the open slots again and choose one of them',
)
export const SlotFullError = refuse(
  'IM101',
  'SlotFullError',
  'IMH_SLOT_FULL',
  'the slot has no place left',
  'choose another slot',
)
export const SlotPastError = refuse(
  'IM102',
  'SlotPastError',
  'IMH_SLOT_PAST',
  'the slot has begun or is over',
  'choose a slot in the future',
)
export const PatientClashError = refuse(
  'IM103',
  'PatientClashError',
  'IMH_PATIENT_CLASH',
  'the patient has another appointment at that time',
  'choose another time, or cancel the other appointment first',
)
export const HoldExpiredError = refuse(
  'IM104',
  'HoldExpiredError',
  'IMH_HOLD_EXPIRED',
  'the hold on the slot is over',
  'hold the slot again, then confirm',
)
export const DoctorAwayError = refuse(
  'IM105',
  'DoctorAwayError',
  'IMH_DOCTOR_AWAY',
  'the doctor is away at that time',
  'choose another doctor or another day',
)
export const PatientBlockedError = refuse(
  'IM106',
  'PatientBlockedError',
  'IMH_PATIENT_BLOCKED',
  'the patient record is merged or blocked',
  'use the surviving record of the patient',
)
export const NotHolderError = refuse(
  'IM107',
  'NotHolderError',
  'IMH_NOT_HOLDER',
  'somebody else holds the slot',
  'confirm with the key that made the hold, or choose another slot',
)
export const TooLateError = refuse(
  'IM108',
  'TooLateError',
  'IMH_TOO_LATE',
  'it is too late to change this appointment',
  'ask the front desk to decide',
)
export const QueueClosedError = refuse(
  'IM150',
  'QueueClosedError',
  'IMH_QUEUE_CLOSED',
  'the queue is closed',
  'open the queue for the day, or choose another queue',
)
export const TokenAlreadyIssuedError = refuse(
  'IM151',
  'TokenAlreadyIssuedError',
  'IMH_TOKEN_ALREADY_ISSUED',
  'the appointment has a token already',
  'use the token that was issued',
)
export const TokenExpiredError = refuse(
  'IM152',
  'TokenExpiredError',
  'IMH_TOKEN_EXPIRED',
  'the token is expired',
  'issue a new token',
)
export const QueueEmptyError = refuse(
  'IM153',
  'QueueEmptyError',
  'IMH_QUEUE_EMPTY',
  'nobody waits in the queue',
  'wait until somebody checks in',
)
