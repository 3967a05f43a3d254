import { changeDeviceStatus, changeDeviceStatusSql, recordMaintenance, recordMaintenanceSql } from './devices.ts'
import {
  assignDevice,
  assignDeviceSql,
  setAlarmLimits,
  setAlarmLimitsSql,
  unassignDevice,
  unassignDeviceSql,
} from './assignments.ts'
import { ingestTelemetry, ingestTelemetrySql } from './telemetry.ts'
import {
  acknowledgeAlarm,
  acknowledgeAlarmSql,
  escalateAlarms,
  escalateAlarmsSql,
  raiseAlarm,
  raiseAlarmSql,
  resolveAlarm,
  resolveAlarmSql,
} from './alarms.ts'

/** The operations of schema/device that an application may call. */
export const deviceOperations = {
  'device.change_status': { sql: changeDeviceStatusSql, call: changeDeviceStatus },
  'device.record_maintenance': { sql: recordMaintenanceSql, call: recordMaintenance },
  'device.assign': { sql: assignDeviceSql, call: assignDevice },
  'device.unassign': { sql: unassignDeviceSql, call: unassignDevice },
  'device.set_alarm_limits': { sql: setAlarmLimitsSql, call: setAlarmLimits },
  'device.ingest_telemetry': { sql: ingestTelemetrySql, call: ingestTelemetry },
  'device.raise_alarm': { sql: raiseAlarmSql, call: raiseAlarm },
  'device.acknowledge_alarm': { sql: acknowledgeAlarmSql, call: acknowledgeAlarm },
  'device.resolve_alarm': { sql: resolveAlarmSql, call: resolveAlarm },
  'device.escalate_alarms': { sql: escalateAlarmsSql, call: escalateAlarms },
} as const
