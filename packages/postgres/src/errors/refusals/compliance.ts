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
