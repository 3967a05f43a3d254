import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'
import { claimColumns, type ClaimRelation, type InsuranceClaim } from './claim.ts'

/** A line; code, name and price come from the package where they are left out. */
export interface ClaimItem {
  readonly packageId?: string
  readonly codeSystem?: string
  readonly code?: string
  readonly display?: string
  readonly stratificationCode?: string
  readonly implantCode?: string
  readonly implantCount?: number
  /** Number of the cycle of a cyclic procedure. */
  readonly cycleNo?: number
  readonly quantity?: number
  /** Decimal text or number. */
  readonly unitPrice?: string | number
  /** Factor on the price, for example 0.5 for a second procedure. */
  readonly factor?: number
  /** Calendar date, YYYY-MM-DD. */
  readonly servicedOn?: string
  readonly diagnosisSeq?: readonly number[]
  readonly chargeItemIds?: readonly string[]
}

export interface DraftClaimInput {
  readonly use?: 'preauthorization' | 'predetermination' | 'claim'
  /** A case, or an encounter and a coverage. */
  readonly caseId?: string
  readonly encounterId?: string
  readonly coverageId?: string
  readonly channel?: 'nhcx' | 'tms' | 'portal' | 'paper'
  readonly claimTypeCode?: string
  readonly subType?: string
  readonly priority?: 'normal' | 'stat'
  /** PostgreSQL daterange, such as [2026-01-01,2026-01-05). */
  readonly billablePeriod?: string
  readonly admissionAt?: Date
  readonly expectedLosDays?: number
  /** {doctor_id, role} */
  readonly careTeam?: readonly object[]
  /** {seq, code_system, code, display, type} */
  readonly diagnoses?: readonly object[]
  /** {seq, code_system, code, display, date} */
  readonly procedures?: readonly object[]
  readonly accident?: object
}

export const draftClaimSql = `select ${claimColumns}\nfrom insurance.draft_claim($1::jsonb, $2::jsonb, $3)`

/**
 * Drafts the first submission of a chain. The same key gives the same draft.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), RequestInProgressError (IM010),
 * IdempotencyKeyReusedError (IM011), PackageLimitError (IM607), ClaimExistsError (IM608), PackageMixError (IM620)
 */
export async function draftClaim(
  tx: Transaction,
  claim: DraftClaimInput,
  items: readonly ClaimItem[] = [],
  key: string | null = null,
): Promise<InsuranceClaim> {
  return single(await tx.query<InsuranceClaim>(draftClaimSql, [toColumns(claim), itemsToJson(items), key]))
}

export const draftFollowUpSql = `select ${claimColumns}\nfrom insurance.draft_follow_up($1, $2, $3::jsonb)`

/**
 * Drafts what follows a submission: the claim after its approval, an enhancement or a resubmission; without `items`, a
 * claim has the lines as approved, the others have those of the submission that they follow.
 * @throws NotFoundError (IM005), SubmissionKindError (IM606), PackageLimitError (IM607), ClaimExistsError (IM608),
 * PackageMixError (IM620)
 */
export async function draftFollowUp(
  tx: Transaction,
  claimId: string,
  relation: ClaimRelation,
  items?: readonly ClaimItem[],
): Promise<InsuranceClaim> {
  const lines = items === undefined ? null : itemsToJson(items)
  return single(await tx.query<InsuranceClaim>(draftFollowUpSql, [claimId, relation, lines]))
}

export const setClaimItemsSql = `select ${claimColumns}\nfrom insurance.set_claim_items($1, $2::jsonb)`

/**
 * Replaces the lines of a draft.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), PackageLimitError (IM607), PackageMixError (IM620)
 */
export async function setClaimItems(
  tx: Transaction,
  claimId: string,
  items: readonly ClaimItem[],
): Promise<InsuranceClaim> {
  return single(await tx.query<InsuranceClaim>(setClaimItemsSql, [claimId, itemsToJson(items)]))
}

export const markReadySql = `select ${claimColumns}\nfrom insurance.mark_ready($1, $2)`

/**
 * A draft waits for the person who submits, or comes back to be changed.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function markReady(tx: Transaction, claimId: string, ready = true): Promise<InsuranceClaim> {
  return single(await tx.query<InsuranceClaim>(markReadySql, [claimId, ready]))
}

function itemsToJson(items: readonly ClaimItem[]): string {
  return JSON.stringify(items.map((item) => toColumns(item)))
}
