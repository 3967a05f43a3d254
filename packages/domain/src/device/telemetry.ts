import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'

export interface Reading {
  readonly measuredAt: Date
  readonly metricCode: string
  readonly value: number
  /** UCUM. */
  readonly unit: string
  /** Default good; only good readings raise alarms. */
  readonly quality?: 'good' | 'suspect' | 'artefact' | 'simulated'
  /** Tells readings of the same instant apart. Default 0. */
  readonly seq?: number
  /** Needed for a shared device only; another patient than the one who has the device is refused. */
  readonly patientId?: string
}

export interface IngestResult {
  readonly accepted: number
  /** Were there already. */
  readonly repeated: number
  readonly refused: readonly {
    readonly index: number
    readonly reason: 'malformed' | 'from_the_future' | 'not_assigned_to_patient'
  }[]
  /** How many crossed an alarm limit. */
  readonly alarms: number
}

export const ingestTelemetrySql = `
select accepted, repeated, refused, alarms
from device.ingest_telemetry($1, $2)`

/**
 * Stores a batch of readings of one device; sent again, it changes nothing.
 * @throws NotFoundError (IM005), DeviceOutOfServiceError (IM881)
 */
export async function ingestTelemetry(
  tx: Transaction,
  deviceId: string,
  readings: readonly Reading[],
): Promise<IngestResult> {
  return single(await tx.query<IngestResult>(ingestTelemetrySql, [deviceId, JSON.stringify(readings.map(toColumns))]))
}
