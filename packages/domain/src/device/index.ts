// Wrappers of the operations of schema/device.
export {
  changeStatus,
  recordMaintenance,
  type Device,
  type DeviceStatus,
  type MaintenanceRecord,
  type RecordMaintenanceInput,
} from './devices.ts'
export {
  assign,
  setAlarmLimits,
  unassign,
  type AlarmLimit,
  type AssignInput,
  type DeviceAssignment,
} from './assignments.ts'
export { ingestTelemetry, type IngestResult, type Reading } from './telemetry.ts'
export {
  acknowledgeAlarm,
  escalateAlarms,
  raiseAlarm,
  resolveAlarm,
  type Alarm,
  type AlarmPriority,
  type RaiseAlarmInput,
} from './alarms.ts'
