// Wrappers of the operations of schema/device.
export {
  changeDeviceStatus,
  recordMaintenance,
  type Device,
  type DeviceStatus,
  type MaintenanceRecord,
  type RecordMaintenanceInput,
} from './devices.ts'
export {
  assignDevice,
  setAlarmLimits,
  unassignDevice,
  type AlarmLimit,
  type AssignDeviceInput,
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
