import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** A notice that is shown before consent. */
export interface ConsentNotice {
  readonly id: string
  readonly code: string
  readonly version: number
  readonly locale: string
  readonly purpose: string[]
  readonly effectiveFrom: Date
}

export interface PublishNoticeInput {
  readonly code: string
  /** Language (BCP 47). */
  readonly locale: string
  /** Purposes that a consent after this notice may have. */
  readonly purpose: readonly string[]
  readonly dataCategories: readonly string[]
  readonly body: string
  readonly withdrawalHow: string
  readonly complaintHow: string
  /** Default: 1. Another text is another version. */
  readonly version?: number
  /** Default: now. */
  readonly effectiveFrom?: Date
}

export const publishNoticeSql = `
select id, code, version, locale, purpose, effective_from as "effectiveFrom"
from compliance.publish_notice($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9::timestamptz, now()))`

/**
 * Adds a notice of the tenant in one language.
 * @throws IdempotencyKeyReusedError (IM011) the version has another text
 */
export async function publishNotice(tx: Transaction, input: PublishNoticeInput): Promise<ConsentNotice> {
  const rows = await tx.query<ConsentNotice>(publishNoticeSql, [
    input.code,
    input.locale,
    input.purpose,
    input.dataCategories,
    input.body,
    input.withdrawalHow,
    input.complaintHow,
    input.version ?? 1,
    input.effectiveFrom ?? null,
  ])
  return single(rows)
}
