import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'
import { movementColumns, type StockMovement } from './movement.ts'

export interface Indent {
  readonly id: string
  readonly indentNumber: string
  /** The store that gives. */
  readonly fromLocationId: string
  /** The place that asked. */
  readonly toLocationId: string
  readonly priority: 'routine' | 'urgent' | 'emergency'
  readonly status:
    | 'draft'
    | 'submitted'
    | 'approved'
    | 'rejected'
    | 'partially_issued'
    | 'issued'
    | 'received'
    | 'closed_short'
    | 'cancelled'
}

const indentColumns = `
  id, indent_number as "indentNumber", from_location_id as "fromLocationId", to_location_id as "toLocationId", priority,
  status`

export interface IndentLine {
  readonly itemId: string
  /** Base units. */
  readonly quantity: number
}

export interface RequestIndentInput {
  /** Chosen by the client: the same id makes one indent. */
  readonly id: string
  readonly fromLocationId: string
  readonly toLocationId: string
  /** Each item once. */
  readonly lines: readonly IndentLine[]
  readonly priority?: Indent['priority']
  readonly neededBy?: Date
}

export const requestIndentSql = `
select ${indentColumns}
from inventory.request_indent($1, $2, $3, $4::jsonb, $5, $6)`

/**
 * Asks a store for goods; the indent waits for approval.
 * @throws NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function requestIndent(tx: Transaction, input: RequestIndentInput): Promise<Indent> {
  const { id, fromLocationId, toLocationId, lines, priority = 'routine', neededBy = null } = input
  const params = [id, fromLocationId, toLocationId, lines.map((line) => toColumns(line)), priority, neededBy]
  return single(await tx.query<Indent>(requestIndentSql, params))
}

export interface DecideIndentInput {
  readonly indentId: string
  readonly approve: boolean
  /** Items that are not named get nothing. Default: all as asked. */
  readonly lines?: readonly IndentLine[]
  /** Required to reject. */
  readonly reason?: string
}

export const decideIndentSql = `select ${indentColumns}\nfrom inventory.decide_indent($1, $2, $3::jsonb, $4)`

/**
 * Approves or rejects an indent; the signed-in user must not be the one who asked.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005),
 * ApprovalMissingError (IM506)
 */
export async function decideIndent(tx: Transaction, input: DecideIndentInput): Promise<Indent> {
  const lines = input.lines?.map((line) => toColumns(line)) ?? null
  return single(await tx.query<Indent>(decideIndentSql, [input.indentId, input.approve, lines, input.reason ?? null]))
}

export const cancelIndentSql = `select ${indentColumns}\nfrom inventory.cancel_indent($1, $2)`

/**
 * Cancels an indent of which nothing was issued, or closes one short whose rest will not come.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function cancelIndent(tx: Transaction, indentId: string, reason: string): Promise<Indent> {
  return single(await tx.query<Indent>(cancelIndentSql, [indentId, reason]))
}

export interface IssueIndentInput {
  readonly indentId: string
  readonly idempotencyKey: string
  /** Default: all that is approved and not issued, as far as it is there. */
  readonly lines?: readonly IndentLine[]
}

export const issueIndentSql = `select ${movementColumns}\nfrom inventory.issue_indent($1, $2, $3::jsonb)`

/**
 * Takes goods out of the store for the place that asked, the batches that expire first; they are on their way until
 * received.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), RequestInProgressError (IM010),
 * IdempotencyKeyReusedError (IM011), StockShortError (IM500) nothing is there
 */
export async function issueIndent(tx: Transaction, input: IssueIndentInput): Promise<StockMovement[]> {
  const lines = input.lines?.map((line) => toColumns(line)) ?? null
  return tx.query<StockMovement>(issueIndentSql, [input.indentId, input.idempotencyKey, lines])
}

export interface ReceiveIndentInput {
  readonly indentId: string
  /** What arrived of each issue. Default: all of it. */
  readonly lines?: readonly { readonly movementId: string; readonly quantity: number }[]
}

export const receiveIndentSql = `select ${movementColumns}\nfrom inventory.receive_indent($1, $2::jsonb)`

/**
 * Puts what was issued into the stock of the place that asked; returns all receipts of the indent.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function receiveIndent(tx: Transaction, input: ReceiveIndentInput): Promise<StockMovement[]> {
  const lines = input.lines?.map((line) => toColumns(line)) ?? null
  return tx.query<StockMovement>(receiveIndentSql, [input.indentId, lines])
}
