import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export type WestgardRule = '1_2s' | '1_3s' | '2_2s' | 'R_4s' | '4_1s' | '10_x'

export interface QcResult {
  readonly id: string
  readonly qcLotId: string | null
  readonly runAt: Date
  /** (value - target) / SD, as text: exact to four digits. */
  readonly zScore: string
  readonly violatedRules: readonly WestgardRule[]
  readonly verdict: 'accept' | 'warn' | 'reject'
  readonly eqaPerformance: 'acceptable' | 'questionable' | 'unacceptable' | null
  readonly incidentId: string | null
  readonly reviewedAt: Date | null
}

const qcColumns = `
  id, qc_lot_id as "qcLotId", run_at as "runAt", z_score as "zScore", violated_rules as "violatedRules", verdict,
  eqa_performance as "eqaPerformance", incident_id as "incidentId", reviewed_at as "reviewedAt"`

export const recordQcSql = `select ${qcColumns}\nfrom laboratory.record_qc($1, $2, $3)`

/**
 * Stores a run of a control lot; the database computes z score, broken Westgard rules and verdict.
 * @throws NotFoundError (IM005), NotPermittedError (IM006), IdempotencyKeyReusedError (IM011), QcRejectedError (IM310)
 */
export async function recordQc(tx: Transaction, qcLotId: string, value: number, runAt: Date): Promise<QcResult> {
  return single(await tx.query<QcResult>(recordQcSql, [qcLotId, value, runAt]))
}

export interface QcLot {
  readonly id: string
  /** As text: exact. */
  readonly mean: string
  readonly sd: string
  readonly acceptedAt: Date | null
  readonly status: 'establishing' | 'active' | 'retired'
}

const lotColumns = `id, mean, sd, accepted_at as "acceptedAt", status`

export const acceptQcLotSql = `select ${lotColumns}\nfrom laboratory.accept_qc_lot($1)`

/**
 * Takes a control lot into use; one of source established gets mean and SD of its runs.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), QcRejectedError (IM310)
 */
export async function acceptQcLot(tx: Transaction, qcLotId: string): Promise<QcLot> {
  return single(await tx.query<QcLot>(acceptQcLotSql, [qcLotId]))
}

export const retireQcLotSql = `select ${lotColumns}\nfrom laboratory.retire_qc_lot($1)`

/**
 * Takes a control lot out of use.
 * @throws NotFoundError (IM005)
 */
export async function retireQcLot(tx: Transaction, qcLotId: string): Promise<QcLot> {
  return single(await tx.query<QcLot>(retireQcLotSql, [qcLotId]))
}

export const reviewQcSql = `select ${qcColumns}\nfrom laboratory.review_qc($1, $2)`

/**
 * Signs the review of a run; a rejected one needs the incident that it led to.
 * @throws NotFoundError (IM005), NotPermittedError (IM006), ResultImmutableError (IM311)
 */
export async function reviewQc(
  tx: Transaction,
  qcResultId: string,
  incidentId: string | null = null,
): Promise<QcResult> {
  return single(await tx.query<QcResult>(reviewQcSql, [qcResultId, incidentId]))
}

export interface RecordEqaInput {
  readonly testId: string
  readonly deviceId: string
  /** Scheme and round. */
  readonly round: string
  readonly value: number
  readonly target: number
  readonly sd: number
  readonly runAt: Date
}

export const recordEqaSql = `select ${qcColumns}\nfrom laboratory.record_eqa($1, $2, $3, $4, $5, $6, $7)`

/**
 * Stores a round of external quality assessment, once.
 * @throws NotPermittedError (IM006), IdempotencyKeyReusedError (IM011)
 */
export async function recordEqa(tx: Transaction, input: RecordEqaInput): Promise<QcResult> {
  const { testId, deviceId, round, value, target, sd, runAt } = input
  return single(await tx.query<QcResult>(recordEqaSql, [testId, deviceId, round, value, target, sd, runAt]))
}
