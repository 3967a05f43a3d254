import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { claimColumns, type InsuranceClaim } from './claim.ts'

export const submitPreauthSql = `select ${claimColumns}\nfrom insurance.submit_preauth($1)`

/**
 * Submits a pre-authorisation, enhancement or resubmission and holds its amount of the wallet.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), CoverageNotInForceError (IM600),
 * CoverageBalanceError (IM601), BeneficiaryNotAuthenticatedError (IM602), PaperMissingError (IM603),
 * SubmissionKindError (IM606), StgFailedError (IM610)
 */
export async function submitPreauth(tx: Transaction, claimId: string): Promise<InsuranceClaim> {
  return single(await tx.query<InsuranceClaim>(submitPreauthSql, [claimId]))
}

export const submitClaimSql = `select ${claimColumns}\nfrom insurance.submit_claim($1, $2)`

/**
 * Submits a claim, or its resubmission, after discharge; late with a reason.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005),
 * CoverageNotInForceError (IM600), CoverageBalanceError (IM601), BeneficiaryNotAuthenticatedError (IM602), PaperMissingError (IM603),
 * NoApprovedPreauthError (IM605), SubmissionKindError (IM606), StgFailedError (IM610)
 */
export async function submitClaim(
  tx: Transaction,
  claimId: string,
  delayReason: string | null = null,
): Promise<InsuranceClaim> {
  return single(await tx.query<InsuranceClaim>(submitClaimSql, [claimId, delayReason]))
}
