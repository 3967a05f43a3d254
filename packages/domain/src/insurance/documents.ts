import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** A paper or answer attached to a submission. */
export interface ClaimDocument {
  readonly id: string
  readonly claimId: string
  readonly seq: number
  readonly code: string
  readonly filename: string
  readonly accepted: boolean | null
  readonly rowVersion: number
}

const documentColumns = `
  id, claim_id as "claimId", seq, code, filename, accepted, row_version as "rowVersion"`

export interface AttachDocumentInput {
  readonly claimId: string
  readonly categoryCode: string
  /** Document type or question that the guideline asks for. */
  readonly code: string
  /** What the payer sees; used once in a case. */
  readonly filename: string
  readonly sha256: Uint8Array
  /** A stored document ... */
  readonly documentId?: string
  /** ... or the answer to a question, {answer: value}. */
  readonly questionnaireResponse?: object
  readonly criterionId?: string
  readonly capturedAt?: Date
  /** Where it was taken, in degrees north and east. */
  readonly place?: { readonly latitude: number; readonly longitude: number }
}

export const attachDocumentSql = `
select ${documentColumns}
from insurance.attach_document($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9, $10, $11)`

/**
 * Attaches a paper or answer to a draft or queried submission; the same content is attached once.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function attachDocument(tx: Transaction, input: AttachDocumentInput): Promise<ClaimDocument> {
  const { documentId = null, questionnaireResponse = null, criterionId = null, capturedAt = null, place } = input
  return single(
    await tx.query<ClaimDocument>(attachDocumentSql, [
      input.claimId,
      input.categoryCode,
      input.code,
      input.filename,
      input.sha256,
      documentId,
      questionnaireResponse,
      criterionId,
      capturedAt,
      place?.latitude ?? null,
      place?.longitude ?? null,
    ]),
  )
}

export interface ReviewDocumentInput {
  readonly claimDocumentId: string
  readonly accepted: boolean
  /** Needed to refuse it. */
  readonly reason?: string
}

export const reviewDocumentSql = `select ${documentColumns}\nfrom insurance.review_document($1, $2, $3)`

/**
 * Accepts a paper or refuses it; only accepted ones count for the guideline.
 * @throws ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function reviewDocument(tx: Transaction, input: ReviewDocumentInput): Promise<ClaimDocument> {
  const { claimDocumentId, accepted, reason = null } = input
  return single(await tx.query<ClaimDocument>(reviewDocumentSql, [claimDocumentId, accepted, reason]))
}
