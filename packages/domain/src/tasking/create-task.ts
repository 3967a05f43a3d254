import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { taskColumns, type Task, type TaskPriority } from './task.ts'

export interface CreateTaskInput {
  readonly departmentId: string
  readonly title: string
  /** Kind of work, lower case with underscores: medication, wound_care, call ... */
  readonly category: string
  /** Default: medium. */
  readonly priority?: TaskPriority
  /** None for a task of the ward. */
  readonly patientId?: string
  readonly encounterId?: string
  readonly shiftId?: string
  readonly assignedTo?: string
  readonly dueAt?: Date
  /** The task is done only when the EMR shows it. */
  readonly requiresVerification?: boolean
  /** Encrypted by the application. */
  readonly descriptionEnc?: Uint8Array
  /** What it came from: `schema.table` and the id of its row. */
  readonly source?: { readonly type: string; readonly id: string }
  /** Chosen by the caller, so that a repeated request is the same task. */
  readonly id?: string
}

export const createTaskSql = `
select ${taskColumns}
from tasking.create_task($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`

/**
 * The signed-in user gives a department, shift or user a task.
 * @throws NotPermittedError (IM006), IdempotencyKeyReusedError (IM011), ShiftClosedError (IM752)
 */
export async function createTask(tx: Transaction, input: CreateTaskInput): Promise<Task> {
  const rows = await tx.query<Task>(createTaskSql, [
    input.departmentId,
    input.title,
    input.category,
    input.priority ?? 'medium',
    input.patientId ?? null,
    input.encounterId ?? null,
    input.shiftId ?? null,
    input.assignedTo ?? null,
    input.dueAt ?? null,
    input.requiresVerification ?? false,
    input.descriptionEnc ?? null,
    input.source?.type ?? null,
    input.source?.id ?? null,
    input.id ?? null,
  ])
  return single(rows)
}
