import { refuse } from '../define.ts'

// ABDM: IM7xx below IM750.
export const AbhaOfOtherPatientError = refuse(
  'IM700',
  'AbhaOfOtherPatientError',
  'IMH_ABHA_OF_OTHER_PATIENT',
  'the ABHA is linked to another patient',
  'merge the patients, or unlink it there first',
)
export const PatientHasOtherAbhaError = refuse(
  'IM701',
  'PatientHasOtherAbhaError',
  'IMH_PATIENT_HAS_OTHER_ABHA',
  'the patient has another ABHA',
  'unlink that one first',
)
export const DemographicsMismatchError = refuse(
  'IM702',
  'DemographicsMismatchError',
  'IMH_DEMOGRAPHICS_MISMATCH',
  'name, sex or year of birth do not match',
  'correct the record, or override with a reason',
)
export const TokenOrOtpExpiredError = refuse(
  'IM703',
  'TokenOrOtpExpiredError',
  'IMH_TOKEN_OR_OTP_EXPIRED',
  'the token, OTP or transaction is expired',
  'start again',
)
export const TooManyAttemptsError = refuse(
  'IM704',
  'TooManyAttemptsError',
  'IMH_TOO_MANY_ATTEMPTS',
  'there were too many wrong attempts',
  'start again',
)
export const AlreadyLinkedError = refuse(
  'IM705',
  'AlreadyLinkedError',
  'IMH_ALREADY_LINKED',
  'the care context is linked already',
  'nothing to do',
)
export const ConsentNotGrantedError = refuse(
  'IM710',
  'ConsentNotGrantedError',
  'IMH_CONSENT_NOT_GRANTED',
  'the consent is not granted, or not any more',
  'ask for a new consent',
)
export const ConsentWindowError = refuse(
  'IM711',
  'ConsentWindowError',
  'IMH_CONSENT_WINDOW',
  'the request lies outside the time that was consented to',
  'ask for a period inside the consent',
)
export const ConsentFrequencyError = refuse(
  'IM712',
  'ConsentFrequencyError',
  'IMH_CONSENT_FREQUENCY',
  'the consent was used as often as it allows',
  'wait for the next period',
)
export const ContextNotConsentedError = refuse(
  'IM713',
  'ContextNotConsentedError',
  'IMH_CONTEXT_NOT_CONSENTED',
  'the care context or kind of record is not part of the consent',
  'leave it out',
)
export const ConsentSignatureError = refuse(
  'IM714',
  'ConsentSignatureError',
  'IMH_CONSENT_SIGNATURE',
  'the signature of the consent artefact is wrong',
  'reject the artefact and report it',
)
export const ConsentErasedError = refuse(
  'IM715',
  'ConsentErasedError',
  'IMH_CONSENT_ERASED',
  'the data under this consent are due to be erased',
  'ask for a new consent',
)
