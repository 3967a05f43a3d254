import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** A check that was made, with its evidence. */
export interface ComplianceCheck {
  readonly id: string
  readonly runId: string
  readonly ruleId: string
  readonly target: string
  readonly outcome: CheckOutcome
  readonly ranAt: Date
}

export type CheckOutcome = 'pass' | 'fail' | 'not_applicable' | 'error' | 'waived'

export interface RecordCheckInput {
  readonly ruleId: string
  readonly outcome: CheckOutcome
  /** What was looked at and found: ids and counts, never values of persons. */
  readonly evidence: Readonly<Record<string, unknown>>
  /** Default: the letters of the rule's id. */
  readonly regulation?: string
  /** What was checked; default: the database. */
  readonly target?: string
  readonly runId?: string
  readonly ruleVersion?: string
  /** Default: manual. */
  readonly toolVersion?: string
  readonly schemaFingerprint?: Uint8Array
  /** The decision that waives the rule, for outcome waived. */
  readonly waiverId?: string
  /** Default: now. */
  readonly ranAt?: Date
}

export const recordCheckSql = `
select id, run_id as "runId", rule_id as "ruleId", target, outcome, ran_at as "ranAt"
from compliance.record_check($1, $2, $3::jsonb, $4, $5, $6, $7, $8, $9, $10, coalesce($11::timestamptz, now()))`

/** Records a check: a restore test is rule HIP-25 with the checksum of the backup as evidence. */
export async function recordCheck(tx: Transaction, input: RecordCheckInput): Promise<ComplianceCheck> {
  const rows = await tx.query<ComplianceCheck>(recordCheckSql, [
    input.ruleId,
    input.outcome,
    input.evidence,
    input.regulation ?? null,
    input.target ?? null,
    input.runId ?? null,
    input.ruleVersion ?? '1',
    input.toolVersion ?? 'manual',
    input.schemaFingerprint ?? null,
    input.waiverId ?? null,
    input.ranAt ?? null,
  ])
  return single(rows)
}
