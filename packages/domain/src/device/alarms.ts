import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export type AlarmPriority = 'low' | 'medium' | 'high' | 'crisis'

export interface Alarm {
  readonly id: string
  readonly deviceId: string
  readonly patientId: string | null
  readonly metricCode: string
  readonly limitKind: 'high' | 'low' | 'technical' | 'disconnect' | 'cold_chain'
  readonly priority: AlarmPriority
  readonly raisedAt: Date
  readonly acknowledgedBy: string | null
  readonly resolvedAt: Date | null
  readonly escalationLevel: number
  readonly status: 'active' | 'acknowledged' | 'resolved'
}

const alarmColumns = `
  id, device_id as "deviceId", patient_id as "patientId", metric_code as "metricCode", limit_kind as "limitKind", priority,
  raised_at as "raisedAt", acknowledged_by as "acknowledgedBy", resolved_at as "resolvedAt",
  escalation_level as "escalationLevel", status`

export interface RaiseAlarmInput {
  readonly deviceId: string
  readonly metricCode: string
  readonly limitKind: Alarm['limitKind']
  readonly priority: AlarmPriority
  readonly limitValue?: number
  readonly observedValue?: number
  readonly raisedAt?: Date
}

export const raiseAlarmSql = `select ${alarmColumns}\nfrom device.raise_alarm($1, $2, $3, $4, $5, $6, $7)`

/**
 * Raises an alarm that the device itself gives; a condition that has a live one gets that, with the higher priority.
 * @throws NotFoundError (IM005)
 */
export async function raiseAlarm(tx: Transaction, input: RaiseAlarmInput): Promise<Alarm> {
  const { deviceId, metricCode, limitKind, priority, limitValue = null, observedValue = null, raisedAt = null } = input
  return single(
    await tx.query<Alarm>(raiseAlarmSql, [
      deviceId,
      metricCode,
      limitKind,
      priority,
      limitValue,
      observedValue,
      raisedAt,
    ]),
  )
}

export const acknowledgeAlarmSql = `select ${alarmColumns}\nfrom device.acknowledge_alarm($1, $2)`

/**
 * The signed-in user takes the alarm on; the first one stays.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function acknowledgeAlarm(tx: Transaction, alarmId: string, note: string | null = null): Promise<Alarm> {
  return single(await tx.query<Alarm>(acknowledgeAlarmSql, [alarmId, note]))
}

export const resolveAlarmSql = `select ${alarmColumns}\nfrom device.resolve_alarm($1, $2)`

/**
 * The condition is over.
 * @throws NotFoundError (IM005)
 */
export async function resolveAlarm(tx: Transaction, alarmId: string, note: string | null = null): Promise<Alarm> {
  return single(await tx.query<Alarm>(resolveAlarmSql, [alarmId, note]))
}

export const escalateAlarmsSql = `select ${alarmColumns}\nfrom device.escalate_alarms($1)`

/** Job: passes on alarms that nobody took on in time, and returns them. */
export async function escalateAlarms(tx: Transaction, limit = 100): Promise<Alarm[]> {
  return tx.query<Alarm>(escalateAlarmsSql, [limit])
}
