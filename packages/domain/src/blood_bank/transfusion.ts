import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { type BloodIssue, issueColumns } from './rows-of-units.ts'

export interface StartTransfusionInput {
  readonly issueId: string
  /** From the wristband. */
  readonly patientId: string
  /** From the label. */
  readonly din: string
  readonly check1By: string
  readonly check2By: string
  readonly preVitals?: Readonly<Record<string, unknown>>
  /** Default: now. */
  readonly startedAt?: Date
}

export const startTransfusionSql = `select ${issueColumns}\nfrom blood_bank.start_transfusion($1, $2, $3, $4, $5, $6::jsonb, coalesce($7, now()))`

/**
 * Two different people checked wristband and label at the bedside, and the transfusion starts.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), UnitExpiredError (IM351),
 * UnitIncompatibleError (IM352), SecondCheckerError (IM358)
 */
export async function startTransfusion(tx: Transaction, input: StartTransfusionInput): Promise<BloodIssue> {
  return single(
    await tx.query<BloodIssue>(startTransfusionSql, [
      input.issueId,
      input.patientId,
      input.din,
      input.check1By,
      input.check2By,
      input.preVitals === undefined ? null : JSON.stringify(input.preVitals),
      input.startedAt ?? null,
    ]),
  )
}

export const stopTransfusionSql = `select ${issueColumns}\nfrom blood_bank.stop_transfusion($1, $2)`

/**
 * Stops a running transfusion.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function stopTransfusion(tx: Transaction, issueId: string, reason: string): Promise<BloodIssue> {
  return single(await tx.query<BloodIssue>(stopTransfusionSql, [issueId, reason]))
}

export interface CompleteTransfusionInput {
  readonly issueId: string
  readonly volumeGivenMl: number
  readonly recordedBy: string
  readonly postVitals?: Readonly<Record<string, unknown>>
  /** Default: now. */
  readonly endedAt?: Date
}

export const completeTransfusionSql = `select ${issueColumns}\nfrom blood_bank.complete_transfusion($1, $2, $3, $4::jsonb, coalesce($5, now()))`

/**
 * The transfusion is over, or was stopped: what was given.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function completeTransfusion(tx: Transaction, input: CompleteTransfusionInput): Promise<BloodIssue> {
  return single(
    await tx.query<BloodIssue>(completeTransfusionSql, [
      input.issueId,
      input.volumeGivenMl,
      input.recordedBy,
      input.postVitals === undefined ? null : JSON.stringify(input.postVitals),
      input.endedAt ?? null,
    ]),
  )
}
