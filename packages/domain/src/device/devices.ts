import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export type DeviceStatus = 'commissioning' | 'active' | 'maintenance' | 'offline' | 'retired'

export interface Device {
  readonly id: string
  readonly assetTag: string
  readonly kind: string
  readonly status: DeviceStatus
  readonly lastSeenAt: Date | null
  readonly rowVersion: number
}

const deviceColumns = `
  id, asset_tag as "assetTag", kind, status, last_seen_at as "lastSeenAt", row_version as "rowVersion"`

export const changeDeviceStatusSql = `select ${deviceColumns}\nfrom device.change_status($1, $2, $3)`

/**
 * Takes a device out of service (maintenance, offline, retired) or back into it. Retiring needs a reason.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), DeviceTakenError (IM880)
 */
export async function changeDeviceStatus(
  tx: Transaction,
  deviceId: string,
  status: DeviceStatus,
  reason: string | null = null,
): Promise<Device> {
  return single(await tx.query<Device>(changeDeviceStatusSql, [deviceId, status, reason]))
}

export interface RecordMaintenanceInput {
  readonly deviceId: string
  readonly kind: 'acceptance' | 'calibration' | 'preventive' | 'breakdown' | 'recall' | 'decommission'
  readonly result: 'pass' | 'fail' | 'limited'
  readonly performedAt: Date
  /** Engineer or firm. */
  readonly performedBy: string
  /** YYYY-MM-DD. */
  readonly nextDueOn?: string
  /** Then `impactReview` says what it means for results given since the last good calibration. */
  readonly outOfTolerance?: boolean
  readonly impactReview?: string
  readonly traceability?: string
  readonly certificateDocumentId?: string
}

export interface MaintenanceRecord {
  readonly id: string
  readonly deviceId: string
  readonly kind: string
  readonly performedAt: Date
  readonly result: string
}

export const recordMaintenanceSql = `
select id, device_id as "deviceId", kind, performed_at as "performedAt", result
from device.record_maintenance($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`

/**
 * Records acceptance, calibration, maintenance, recall or decommissioning; the device's status and due dates follow.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), DeviceTakenError (IM880)
 */
export async function recordMaintenance(tx: Transaction, input: RecordMaintenanceInput): Promise<MaintenanceRecord> {
  const rows = await tx.query<MaintenanceRecord>(recordMaintenanceSql, [
    input.deviceId,
    input.kind,
    input.result,
    input.performedAt,
    input.performedBy,
    input.nextDueOn ?? null,
    input.outOfTolerance ?? false,
    input.impactReview ?? null,
    input.traceability ?? null,
    input.certificateDocumentId ?? null,
  ])
  return single(rows)
}
