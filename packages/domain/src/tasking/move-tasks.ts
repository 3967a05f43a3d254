import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { taskColumns, type Task } from './task.ts'

export const assignTaskSql = `select ${taskColumns} from tasking.assign_task($1, $2)`

/**
 * Gives an open task to a user, or with null back to all.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function assignTask(tx: Transaction, taskId: string, userId: string | null): Promise<Task> {
  return single(await tx.query<Task>(assignTaskSql, [taskId, userId]))
}

export const startTaskSql = `select ${taskColumns} from tasking.start_task($1)`

/**
 * Somebody is at it; also takes up a task that was on hold, overdue or reopened.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function startTask(tx: Transaction, taskId: string): Promise<Task> {
  return single(await tx.query<Task>(startTaskSql, [taskId]))
}

export const holdTaskSql = `select ${taskColumns} from tasking.hold_task($1, $2)`

/**
 * Interrupts a task that is in progress.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function holdTask(tx: Transaction, taskId: string, reason: string): Promise<Task> {
  return single(await tx.query<Task>(holdTaskSql, [taskId, reason]))
}

export const completeTaskSql = `select ${taskColumns} from tasking.complete_task($1)`

/**
 * The signed-in user did it. A task that requires verification is completed by its verification instead.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), VerificationMismatchError (IM754)
 */
export async function completeTask(tx: Transaction, taskId: string): Promise<Task> {
  return single(await tx.query<Task>(completeTaskSql, [taskId]))
}

export const verifyTaskSql = `select ${taskColumns} from tasking.verify_task($1)`

/**
 * A second user saw that a completed task was done.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006) the same user
 */
export async function verifyTask(tx: Transaction, taskId: string): Promise<Task> {
  return single(await tx.query<Task>(verifyTaskSql, [taskId]))
}

export const reopenTaskSql = `select ${taskColumns} from tasking.reopen_task($1, $2)`

/**
 * A completed task was not done after all.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function reopenTask(tx: Transaction, taskId: string, reason: string): Promise<Task> {
  return single(await tx.query<Task>(reopenTaskSql, [taskId, reason]))
}

export const cancelTaskSql = `select ${taskColumns} from tasking.cancel_task($1, $2)`

/**
 * An open task is not needed any more.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function cancelTask(tx: Transaction, taskId: string, reason: string): Promise<Task> {
  return single(await tx.query<Task>(cancelTaskSql, [taskId, reason]))
}

export const markOverdueTasksSql = `select tasking.mark_overdue_tasks($1) as marked`

/** Job: marks tasks whose time has passed; returns how many. */
export async function markOverdueTasks(tx: Transaction, limit = 500): Promise<number> {
  return single(await tx.query<{ marked: number }>(markOverdueTasksSql, [limit])).marked
}
