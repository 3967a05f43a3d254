import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'
import { resultColumns, type LabResult } from './rows.ts'

/** A value of a test: number, text or code, as the test's result type asks. */
export interface ResultValue {
  readonly valueNum?: number
  readonly valueText?: string
  readonly valueCode?: string
  /** The value is a limit of the method: `<5`. */
  readonly comparator?: 'lt' | 'le' | 'ge' | 'gt'
}

export interface EnterResultInput extends ResultValue {
  readonly orderItemId: string
  /** Default: the sample of the item. Else an aliquot of it. */
  readonly sampleId?: string
  /** The analyser; its quality control must be accepted before the result is released. */
  readonly deviceId?: string
  readonly runRef?: string
  readonly reagentBatchId?: string
  /** Factor; the value is already multiplied by it. */
  readonly dilution?: number
  readonly resultedAt?: Date
  readonly pregnant?: boolean
  /** Critical whatever the range says, such as a positive blood culture. */
  readonly isCritical?: boolean
  /** For a part of a result: the result that it details, and the code of its test. */
  readonly parentResultId?: string
  readonly testCode?: string
}

export const enterResultSql = `
select ${resultColumns}
from laboratory.enter_result($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`

/**
 * Enters a result and judges it. Before verification a new value replaces the old one.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), SampleMoveError (IM300),
 * ResultImmutableError (IM311)
 */
export async function enterResult(tx: Transaction, input: EnterResultInput): Promise<LabResult> {
  const rows = await tx.query<LabResult>(enterResultSql, [
    input.orderItemId,
    input.valueNum ?? null,
    input.valueText ?? null,
    input.valueCode ?? null,
    input.comparator ?? null,
    input.sampleId ?? null,
    input.deviceId ?? null,
    input.runRef ?? null,
    input.reagentBatchId ?? null,
    input.dilution ?? null,
    input.resultedAt ?? null,
    input.pregnant ?? false,
    input.isCritical ?? false,
    input.parentResultId ?? null,
    input.testCode ?? null,
  ])
  return single(rows)
}

export const verifyResultSql = `select ${resultColumns}\nfrom laboratory.verify_result($1)`

/**
 * Technical check by the signed-in member of staff.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), SamePersonError (IM312)
 */
export async function verifyResult(tx: Transaction, resultId: string): Promise<LabResult> {
  return single(await tx.query<LabResult>(verifyResultSql, [resultId]))
}

export const authoriseResultSql = `select ${resultColumns}\nfrom laboratory.authorise_result($1)`

/**
 * Releases a verified result: from now on its value stays.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), QcRejectedError (IM310),
 * SamePersonError (IM312)
 */
export async function authoriseResult(tx: Transaction, resultId: string): Promise<LabResult> {
  return single(await tx.query<LabResult>(authoriseResultSql, [resultId]))
}

export const cancelResultSql = `select ${resultColumns}\nfrom laboratory.cancel_result($1, $2)`

/**
 * Drops the results of a test before their release: it is measured again.
 * @throws ReasonRequiredError (IM002), NotFoundError (IM005), ResultImmutableError (IM311)
 */
export async function cancelResult(tx: Transaction, resultId: string, reason: string): Promise<LabResult> {
  return single(await tx.query<LabResult>(cancelResultSql, [resultId, reason]))
}

export interface CorrectResultInput extends ResultValue {
  readonly resultId: string
  /** Printed on the report. */
  readonly reason: string
  /** Member of staff who checked the correction. Default: the signed-in one. */
  readonly verifiedBy?: string
  /** Who was told, when the corrected value is critical. */
  readonly notification?: {
    readonly notifiedTo: string
    readonly channel: 'phone' | 'in_person' | 'app'
    readonly readBack: boolean
    readonly notifiedStaffId?: string
    readonly outcome?: string
  }
}

export const correctResultSql = `
select ${resultColumns}
from laboratory.correct_result($1, $2, $3, $4, $5, $6, $7, $8)`

/**
 * Supersedes a released result and issues what was reported again, as a higher version.
 * @throws ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError (IM006), ResultImmutableError (IM311),
 * SamePersonError (IM312), CriticalNotNotifiedError (IM313)
 */
export async function correctResult(tx: Transaction, input: CorrectResultInput): Promise<LabResult> {
  const rows = await tx.query<LabResult>(correctResultSql, [
    input.resultId,
    input.reason,
    input.valueNum ?? null,
    input.valueText ?? null,
    input.valueCode ?? null,
    input.comparator ?? null,
    input.verifiedBy ?? null,
    input.notification === undefined ? null : JSON.stringify(toColumns(input.notification)),
  ])
  return single(rows)
}
