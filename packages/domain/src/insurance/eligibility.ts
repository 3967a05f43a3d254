import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'

/** A question to a payer and its answer. Amounts are decimal text. */
export interface EligibilityCheck {
  readonly id: string
  readonly requestNumber: string
  readonly coverageId: string | null
  readonly correlationId: string
  readonly outcome: 'queued' | 'complete' | 'partial' | 'error' | null
  readonly inforce: boolean | null
  /** What is left after what the payer has approved already. */
  readonly balance: string | null
  readonly status: 'pending' | 'awaiting' | 'partial' | 'complete' | 'error'
  readonly rowVersion: number
}

const checkColumns = `
  id, request_number as "requestNumber", coverage_id as "coverageId", correlation_id as "correlationId", outcome, inforce,
  balance, status, row_version as "rowVersion"`

export interface AskEligibilityInput {
  readonly payerId: string
  readonly patientId: string
  /** Left out to ask whether there is one (purpose discovery). */
  readonly coverageId?: string
  readonly encounterId?: string
  readonly purposes?: readonly ('validation' | 'auth-requirements' | 'benefits' | 'discovery')[]
  /** Packages asked about, {code, quantity}. */
  readonly items?: readonly object[]
  /** The same one again gives the same check. Default: a new one. */
  readonly correlationId?: string
}

export const askEligibilitySql = `
select ${checkColumns}
from insurance.ask_eligibility($1, $2, $3, $4, $5::text[], $6::jsonb, $7)`

/**
 * Asks a payer about a coverage; the gateway sends it on event eligibility.requested.v1.
 * @throws NotFoundError (IM005) no such coverage of the payer
 */
export async function askEligibility(tx: Transaction, input: AskEligibilityInput): Promise<EligibilityCheck> {
  const { payerId, patientId, coverageId = null, encounterId = null, purposes = ['validation'], items = [] } = input
  const { correlationId = null } = input
  return single(
    await tx.query<EligibilityCheck>(askEligibilitySql, [
      payerId,
      patientId,
      coverageId,
      encounterId,
      purposes,
      JSON.stringify(items),
      correlationId,
    ]),
  )
}

export interface EligibilityAnswer {
  readonly outcome: 'queued' | 'complete' | 'partial' | 'error'
  readonly inforce?: boolean
  /** Decimal text or number, after what the payer has approved already. */
  readonly balance?: string | number
  readonly requiredDocuments?: readonly object[]
  readonly requiredQuestionnaires?: readonly object[]
  readonly disposition?: string
  readonly error?: object
}

export const applyEligibilityAnswerSql = `
select ${checkColumns}
from insurance.apply_eligibility_answer($1, $2::jsonb, $3)`

/**
 * Applies a payer's answer to the check with this correlation id, and its balance to the wallet; `messageId` is the
 * envelope that brought it.
 * @throws UnknownCorrelationError (IM604)
 */
export async function applyEligibilityAnswer(
  tx: Transaction,
  correlationId: string,
  answer: EligibilityAnswer,
  messageId: string | null = null,
): Promise<EligibilityCheck> {
  return single(
    await tx.query<EligibilityCheck>(applyEligibilityAnswerSql, [correlationId, toColumns(answer), messageId]),
  )
}
