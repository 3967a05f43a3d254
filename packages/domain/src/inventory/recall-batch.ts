import type { Transaction } from '@imhotep/postgres'

/** A patient who got goods of a batch. */
export interface BatchRecipient {
  readonly patientId: string
  /** Base units that were not brought back. */
  readonly quantity: number
  readonly firstAt: Date
  readonly lastAt: Date
}

const recipientColumns = `
  patient_id as "patientId", quantity::float8 as quantity, first_at as "firstAt", last_at as "lastAt"`

export interface RecallBatchInput {
  readonly batchId: string
  /** Number of the recall notice. */
  readonly recallRef: string
  /** I: danger to life. Default II. */
  readonly recallClass?: 'I' | 'II' | 'III'
}

export const recallBatchSql = `select ${recipientColumns}\nfrom inventory.recall_batch($1, $2, $3)`

/**
 * Recalls a batch: nothing of it leaves a store any more, reservations end, and the patients who got it are returned.
 * Repeated with the same notice: the same patients.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002) no notice, NotFoundError (IM005)
 */
export async function recallBatch(tx: Transaction, input: RecallBatchInput): Promise<BatchRecipient[]> {
  const { batchId, recallRef, recallClass = 'II' } = input
  return tx.query<BatchRecipient>(recallBatchSql, [batchId, recallRef, recallClass])
}

export const batchRecipientsSql = `select ${recipientColumns}\nfrom inventory.batch_recipients($1)`

/** The patients to whom the ledger says that a batch went. Logged as a read of health data. */
export async function batchRecipients(tx: Transaction, batchId: string): Promise<BatchRecipient[]> {
  return tx.query<BatchRecipient>(batchRecipientsSql, [batchId])
}
