import { refuse } from '../define.ts'

// Privacy: IM91x, break glass IM92x.
export const RetentionHoldError = refuse(
  'IM910',
  'RetentionHoldError',
  'IMH_RETENTION_HOLD',
  'a legal hold forbids the erasure',
  'release the hold first',
)
export const RetentionMinimumError = refuse(
  'IM911',
  'RetentionMinimumError',
  'IMH_RETENTION_MINIMUM',
  'the legal minimum of retention is not over',
  'wait until the retention period ends',
)
export const NoticeMissingError = refuse(
  'IM912',
  'NoticeMissingError',
  'IMH_NOTICE_MISSING',
  'the person was not told in time',
  'send the notice and wait 48 hours',
)
export const BreakGlassReasonError = refuse(
  'IM920',
  'BreakGlassReasonError',
  'IMH_BREAK_GLASS_REASON',
  'the reason for breaking the glass is too short',
  'say in a sentence why the record is needed now',
)
export const BreakGlassOpenError = refuse(
  'IM921',
  'BreakGlassOpenError',
  'IMH_BREAK_GLASS_OPEN',
  'break-glass access to this patient is open already',
  'use the access that is open',
)
export const GuardianRequiredError = refuse(
  'IM913',
  'GuardianRequiredError',
  'IMH_GUARDIAN_REQUIRED',
  'the consent is not given by somebody who may',
  'for a minor a verified legal guardian consents',
)
export const NoticeDoesNotCoverError = refuse(
  'IM914',
  'NoticeDoesNotCoverError',
  'IMH_NOTICE_DOES_NOT_COVER',
  'the notice that was shown does not cover the consent',
  'show a notice that is in effect and names all purposes',
)
export const BreachIncompleteError = refuse(
  'IM915',
  'BreachIncompleteError',
  'IMH_BREACH_INCOMPLETE',
  'a report of the breach is missing, or somebody was not told',
  'record what is missing, then close the breach',
)
export const CountryRestrictedError = refuse(
  'IM916',
  'CountryRestrictedError',
  'IMH_COUNTRY_RESTRICTED',
  'personal data may not go to that country',
  'choose a processor elsewhere',
)
