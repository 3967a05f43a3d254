import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** What became of a change that a device made offline. */
export interface SyncOperation {
  readonly id: string
  readonly opId: string
  readonly outcome: 'applied' | 'duplicate' | 'superseded' | 'conflict' | 'rejected'
  /** Fields that a person decides, or that were rejected. */
  readonly conflictFields: string[] | null
  readonly resolution: string | null
  readonly resolvesId: string | null
}

export type SyncedTable = 'tasks' | 'handovers' | 'handover_patients' | 'emr_verifications'

const operationColumns = `
  id, op_id as "opId", outcome, conflict_fields as "conflictFields", resolution, resolves_id as "resolvesId"`

export interface MergeOperationInput {
  /** Id that the device gave the operation: sent again, the answer is the same. */
  readonly opId: string
  /** The device, lower case: `ward-tablet-1`. */
  readonly nodeId: string
  readonly entityType: SyncedTable
  readonly entityId: string
  /** Columns and values that the device set. */
  readonly patch: Readonly<Record<string, unknown>>
  /** The same, encrypted by the application, for the log. */
  readonly patchEnc: Uint8Array
  /** What the device had seen of the row, this write of its own included. */
  readonly vectorClock: Readonly<Record<string, number>>
  /** Hybrid logical clock of the write: microseconds since 1970, and the counter inside one. */
  readonly hlc: { readonly physicalUs: bigint; readonly logical: number }
}

export const mergeOperationSql = `
select ${operationColumns} from tasking.merge_operation($1, $2, $3, $4, $5::jsonb, $6, $7::jsonb, $8, $9)`

/**
 * Merges a change made offline, field by field: the later write stands, concurrent writes of status or assignee are left to
 * a person.
 * @throws NotFoundError (IM005), NotPermittedError (IM006), IdempotencyKeyReusedError (IM011), ClockSkewError (IM753)
 */
export async function mergeOperation(tx: Transaction, input: MergeOperationInput): Promise<SyncOperation> {
  const rows = await tx.query<SyncOperation>(mergeOperationSql, [
    input.opId,
    input.nodeId,
    input.entityType,
    input.entityId,
    input.patch,
    input.patchEnc,
    input.vectorClock,
    input.hlc.physicalUs,
    input.hlc.logical,
  ])
  return single(rows)
}

export interface ResolveConflictInput {
  /** Id of the conflict, from `tasking.open_conflicts`. */
  readonly operationId: string
  /** Values of its fields that shall stand; none keeps what is there. */
  readonly values?: Readonly<Record<string, unknown>>
  /** The same, encrypted by the application, for the log. */
  readonly valuesEnc: Uint8Array
  readonly resolution: string
}

export const resolveConflictSql = `
select ${operationColumns} from tasking.resolve_conflict($1, $2::jsonb, $3, $4)`

/**
 * A person decides a conflict, once.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function resolveConflict(tx: Transaction, input: ResolveConflictInput): Promise<SyncOperation> {
  const { operationId, values = {}, valuesEnc, resolution } = input
  return single(await tx.query<SyncOperation>(resolveConflictSql, [operationId, values, valuesEnc, resolution]))
}
