import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** A freeze against retention and erasure. */
export interface LegalHold {
  readonly id: string
  readonly holdNumber: string
  readonly patientId: string | null
  readonly scope: HoldScope
  readonly placedBy: string
  readonly releasedBy: string | null
  readonly status: 'active' | 'released'
}

/** What a hold covers; each key narrows. Empty with a patient: all of theirs. */
export interface HoldScope {
  readonly all?: boolean
  readonly schema?: string
  readonly table?: string
  readonly row_ids?: readonly string[]
}

const holdColumns = `
  id, hold_number as "holdNumber", patient_id as "patientId", scope, placed_by as "placedBy", released_by as "releasedBy",
  status`

export interface PlaceLegalHoldInput {
  readonly reason: string
  readonly patientId?: string
  readonly scope?: HoldScope
  /** Who ordered it, with the reference of the order. */
  readonly authority?: string
  readonly id?: string
}

export const placeLegalHoldSql = `select ${holdColumns} from compliance.place_hold($1, $2, $3::jsonb, $4, $5)`

/**
 * Freezes what a patient, schema, table or rows hold, from the moment it is committed.
 * @throws NotPermittedError (IM006)
 */
export async function placeLegalHold(tx: Transaction, input: PlaceLegalHoldInput): Promise<LegalHold> {
  const { reason, patientId = null, scope = {}, authority = null, id = null } = input
  return single(await tx.query<LegalHold>(placeLegalHoldSql, [reason, patientId, scope, authority, id]))
}

export const releaseLegalHoldSql = `select ${holdColumns} from compliance.release_hold($1, $2)`

/**
 * Ends a hold, by another user than the one who placed it.
 * @throws ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function releaseLegalHold(tx: Transaction, holdId: string, reason: string): Promise<LegalHold> {
  return single(await tx.query<LegalHold>(releaseLegalHoldSql, [holdId, reason]))
}

export interface HoldQuestion {
  readonly schema?: string
  readonly table?: string
  readonly rowId?: string
  readonly patientId?: string
}

export const isUnderHoldSql = `select compliance.is_under_hold($1, $2, $3, $4) as held`

/** Whether an active hold covers a row, or anything of a table, schema or patient where less is given. */
export async function isUnderHold(tx: Transaction, question: HoldQuestion): Promise<boolean> {
  const { schema = null, table = null, rowId = null, patientId = null } = question
  return single(await tx.query<{ held: boolean }>(isUnderHoldSql, [schema, table, rowId, patientId])).held
}
