import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { tokenColumns, type QueueToken } from './token.ts'

export interface IssueTokenInput {
  readonly queueKey: string
  readonly source: 'counter' | 'kiosk' | 'appointment' | 'abdm_scan_share'
  /** Needed unless an appointment tells it. */
  readonly clinicId?: string
  readonly appointmentId?: string
  readonly patientId?: string
  /** Calendar date at the clinic, YYYY-MM-DD. Default: today there. */
  readonly queueDate?: string
  /** 0 to 9, higher is called first. Default 0. */
  readonly priority?: number
  readonly doctorId?: string
  readonly departmentId?: string
  readonly abdmRequestId?: string
  readonly expiresAt?: Date
}

export const issueTokenSql = `
select ${tokenColumns}
from scheduling.issue_token($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

/**
 * Issues the next token of a queue and day. An appointment, and an ABDM scan-and-share request, gets one token only.
 * @throws NotFoundError (IM005), QueueClosedError (IM150), TokenAlreadyIssuedError (IM151), TokenExpiredError (IM152)
 */
export async function issueToken(tx: Transaction, input: IssueTokenInput): Promise<QueueToken> {
  const rows = await tx.query<QueueToken>(issueTokenSql, [
    input.queueKey,
    input.source,
    input.clinicId ?? null,
    input.appointmentId ?? null,
    input.patientId ?? null,
    input.queueDate ?? null,
    input.priority ?? 0,
    input.doctorId ?? null,
    input.departmentId ?? null,
    input.abdmRequestId ?? null,
    input.expiresAt ?? null,
  ])
  return single(rows)
}

export interface TransferTokenInput {
  readonly tokenId: string
  /** Queue of the same day that the patient goes to. */
  readonly queueKey: string
  /** Default: as before. */
  readonly priority?: number
}

export const transferTokenSql = `select ${tokenColumns}\nfrom scheduling.transfer_token($1, $2, $3)`

/**
 * Sends a patient to another queue, where they get a new token, which is returned.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), TokenAlreadyIssuedError (IM151), TokenExpiredError (IM152)
 */
export async function transferToken(tx: Transaction, input: TransferTokenInput): Promise<QueueToken> {
  const { tokenId, queueKey, priority = null } = input
  return single(await tx.query<QueueToken>(transferTokenSql, [tokenId, queueKey, priority]))
}
