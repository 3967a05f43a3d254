import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** Limits of a metric, in its unit; a reading beyond one raises an alarm of the priority (default medium). */
export interface AlarmLimit {
  readonly low?: number
  readonly high?: number
  readonly priority?: 'low' | 'medium' | 'high' | 'crisis'
}

export interface DeviceAssignment {
  readonly id: string
  readonly deviceId: string
  readonly patientId: string | null
  readonly encounterId: string | null
  readonly bedId: string | null
  readonly isExclusive: boolean
  readonly alarmLimits: Readonly<Record<string, AlarmLimit>>
  readonly startsAt: Date
  readonly endsAt: Date | null
  readonly status: 'active' | 'ended'
}

const assignmentColumns = `
  id, device_id as "deviceId", patient_id as "patientId", encounter_id as "encounterId", bed_id as "bedId",
  is_exclusive as "isExclusive", alarm_limits as "alarmLimits", lower(period) as "startsAt", upper(period) as "endsAt",
  status`

export interface AssignDeviceInput {
  readonly deviceId: string
  /** Member of staff who connects it. */
  readonly assignedBy: string
  /** Without patient and bed the device watches the place where it stands. */
  readonly patientId?: string
  readonly encounterId?: string
  readonly bedId?: string
  /** Default true: nobody else has it meanwhile. */
  readonly isExclusive?: boolean
  readonly alarmLimits?: Readonly<Record<string, AlarmLimit>>
  readonly from?: Date
}

export const assignDeviceSql = `select ${assignmentColumns}\nfrom device.assign($1, $2, $3, $4, $5, $6, $7, $8)`

/**
 * Connects an active device to a patient, a bed or its place.
 * @throws NotFoundError (IM005), DeviceTakenError (IM880), DeviceOutOfServiceError (IM881)
 */
export async function assignDevice(tx: Transaction, input: AssignDeviceInput): Promise<DeviceAssignment> {
  const rows = await tx.query<DeviceAssignment>(assignDeviceSql, [
    input.deviceId,
    input.assignedBy,
    input.patientId ?? null,
    input.encounterId ?? null,
    input.bedId ?? null,
    input.isExclusive ?? true,
    JSON.stringify(input.alarmLimits ?? {}),
    input.from ?? null,
  ])
  return single(rows)
}

export const unassignDeviceSql = `select ${assignmentColumns}\nfrom device.unassign($1, $2)`

/**
 * Ends an assignment.
 * @throws NotFoundError (IM005)
 */
export async function unassignDevice(
  tx: Transaction,
  assignmentId: string,
  at: Date | null = null,
): Promise<DeviceAssignment> {
  return single(await tx.query<DeviceAssignment>(unassignDeviceSql, [assignmentId, at]))
}

export const setAlarmLimitsSql = `select ${assignmentColumns}\nfrom device.set_alarm_limits($1, $2)`

/**
 * Sets the alarm limits of a running assignment, by metric.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function setAlarmLimits(
  tx: Transaction,
  assignmentId: string,
  limits: Readonly<Record<string, AlarmLimit>>,
): Promise<DeviceAssignment> {
  return single(await tx.query<DeviceAssignment>(setAlarmLimitsSql, [assignmentId, JSON.stringify(limits)]))
}
