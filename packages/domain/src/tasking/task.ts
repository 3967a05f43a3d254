/** A task as the operations return it. */
export interface Task {
  readonly id: string
  readonly taskNumber: string
  readonly patientId: string | null
  readonly departmentId: string
  readonly shiftId: string | null
  readonly assignedTo: string | null
  readonly dueAt: Date | null
  readonly completedBy: string | null
  readonly requiresVerification: boolean
  readonly carriedFromHandoverId: string | null
  readonly status: TaskStatus
  readonly rowVersion: number
}

export type TaskStatus =
  'pending' | 'in_progress' | 'on_hold' | 'overdue' | 'reopened' | 'completed' | 'verified' | 'cancelled'

export type TaskPriority = 'low' | 'medium' | 'high' | 'critical'

export const taskColumns = `
  id, task_number as "taskNumber", patient_id as "patientId", department_id as "departmentId", shift_id as "shiftId",
  assigned_to as "assignedTo", due_at as "dueAt", completed_by as "completedBy",
  requires_verification as "requiresVerification", carried_from_handover_id as "carriedFromHandoverId", status,
  row_version as "rowVersion"`
