import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { type BloodIssue, issueColumns } from './rows-of-units.ts'

export interface IssueUnitInput {
  readonly componentId: string
  readonly requestId: string
  readonly issuedBy: string
  /** Another person. */
  readonly receivedBy: string
  readonly labelCheckBy: string
  /** Why not the unit of the group that expires first. */
  readonly reason?: string
}

export const issueUnitSql = `select ${issueColumns}\nfrom blood_bank.issue_unit($1, $2, $3, $4, $5, $6)`

/**
 * Hands a unit over for a patient. Issued again for the same request: the same issue.
 * @throws ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError (IM006), UnitExpiredError (IM351),
 * UnitIncompatibleError (IM352), CrossmatchError (IM353), UnitAlreadyIssuedError (IM354), GroupUnconfirmedError (IM355),
 * RequestTakesNoMoreError (IM360)
 */
export async function issueUnit(tx: Transaction, input: IssueUnitInput): Promise<BloodIssue> {
  return single(
    await tx.query<BloodIssue>(issueUnitSql, [
      input.componentId,
      input.requestId,
      input.issuedBy,
      input.receivedBy,
      input.labelCheckBy,
      input.reason ?? null,
    ]),
  )
}

export interface ReturnUnitInput {
  readonly issueId: string
  /** Minutes out of controlled storage. */
  readonly minutesOut: number
  readonly sealIntact: boolean
  readonly returnedBy: string
  readonly takenBackBy: string
  readonly reason: string
  readonly temperatureC?: number
}

export const returnUnitSql = `select ${issueColumns}\nfrom blood_bank.return_unit($1, $2, $3, $4, $5, $6, $7)`

/**
 * A unit that was not begun comes back into stock.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), ReturnRefusedError
 * (IM357)
 */
export async function returnUnit(tx: Transaction, input: ReturnUnitInput): Promise<BloodIssue> {
  return single(
    await tx.query<BloodIssue>(returnUnitSql, [
      input.issueId,
      input.minutesOut,
      input.sealIntact,
      input.returnedBy,
      input.takenBackBy,
      input.reason,
      input.temperatureC ?? null,
    ]),
  )
}
