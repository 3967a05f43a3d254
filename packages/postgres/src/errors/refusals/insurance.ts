import { refuse } from '../define.ts'

// Insurance: IM6xx.
export const CoverageNotInForceError = refuse(
  'IM600',
  'CoverageNotInForceError',
  'IMH_COVERAGE_NOT_IN_FORCE',
  'the coverage is not in force, or was not checked recently',
  'check the eligibility again',
)
export const CoverageBalanceError = refuse(
  'IM601',
  'CoverageBalanceError',
  'IMH_COVERAGE_BALANCE',
  'the balance of the coverage is not enough',
  'reduce the request, or collect the rest from the patient',
)
export const BeneficiaryNotAuthenticatedError = refuse(
  'IM602',
  'BeneficiaryNotAuthenticatedError',
  'IMH_BENEFICIARY_NOT_AUTHENTICATED',
  'the beneficiary was not authenticated at this stage',
  'authenticate the beneficiary, or record an approved exception',
)
export const PaperMissingError = refuse(
  'IM603',
  'PaperMissingError',
  'IMH_PAPER_MISSING',
  'mandatory papers or answers are missing',
  'the message lists the codes; add them and submit again',
)
export const UnknownCorrelationError = refuse(
  'IM604',
  'UnknownCorrelationError',
  'IMH_UNKNOWN_CORRELATION',
  'no submission has this correlation id',
  'keep the message; it can be replayed when the submission is known',
)
export const NoApprovedPreauthError = refuse(
  'IM605',
  'NoApprovedPreauthError',
  'IMH_NO_APPROVED_PREAUTH',
  'there is no approved pre-authorisation',
  'wait for the approval, or use a package that needs none',
)
export const SubmissionKindError = refuse(
  'IM606',
  'SubmissionKindError',
  'IMH_SUBMISSION_KIND',
  'this kind of submission does not follow from the one before it',
  'the message says which kind does',
)
export const PackageLimitError = refuse(
  'IM607',
  'PackageLimitError',
  'IMH_PACKAGE_LIMIT',
  'the package allows less',
  'reduce quantity, implants or cycles',
)
export const ClaimExistsError = refuse(
  'IM608',
  'ClaimExistsError',
  'IMH_CLAIM_EXISTS',
  'there is a live submission of this kind already',
  'follow that one',
)
export const DuplicateCaseError = refuse(
  'IM609',
  'DuplicateCaseError',
  'IMH_DUPLICATE_CASE',
  'the patient has another live case of this coverage',
  'close or cancel that case first',
)
export const StgFailedError = refuse(
  'IM610',
  'StgFailedError',
  'IMH_STG_FAILED',
  'the standard treatment guideline is not met',
  'meet the criteria that failed, or waive them with a reason',
)
export const PayerAnswerError = refuse(
  'IM611',
  'PayerAnswerError',
  'IMH_PAYER_ANSWER',
  "the payer's answer does not fit the submission",
  'compare amounts, lines and reference with what was submitted, and ask the payer',
)
export const PackageMixError = refuse(
  'IM620',
  'PackageMixError',
  'IMH_PACKAGE_MIX',
  'medical and surgical packages cannot be mixed',
  'submit them separately',
)
export const BackdatingError = refuse(
  'IM621',
  'BackdatingError',
  'IMH_BACKDATING',
  'the registration is dated back further than the payer allows',
  'use a later date',
)
