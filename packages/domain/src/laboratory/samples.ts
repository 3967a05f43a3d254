import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'
import { eventColumns, sampleColumns, type Sample, type SampleEvent, type SampleStatus } from './rows.ts'

/** A label that was printed before. */
export interface PreprintedLabel {
  readonly specimenType: string
  readonly container?: string
  readonly barcode: string
}

export const accessionOrderSql = `select ${sampleColumns}\nfrom laboratory.accession($1, $2)`

/**
 * Plans the samples of an order, one for each specimen type and container, and returns all its primary samples.
 * @throws NotFoundError (IM005), NotPermittedError (IM006), BarcodeTakenError (IM303)
 */
export async function accessionOrder(
  tx: Transaction,
  orderId: string,
  labels: readonly PreprintedLabel[] = [],
): Promise<Sample[]> {
  return tx.query<Sample>(accessionOrderSql, [orderId, JSON.stringify(labels.map(toColumns))])
}

export interface CreateAliquotsInput {
  readonly sampleId: string
  readonly volumesMl: readonly number[]
  /** A new UUID for the whole call: sent again, it gets the same aliquots. */
  readonly clientOpId: string
  /** Default: the signed-in member of staff. */
  readonly actorId?: string
  readonly locationId?: string
}

export const createAliquotsSql = `select ${sampleColumns}\nfrom laboratory.create_aliquots($1, $2, $3, $4, $5)`

/**
 * Divides an accessioned sample.
 * @throws NotFoundError (IM005), NotPermittedError (IM006), SampleMoveError (IM300), BarcodeTakenError (IM303),
 * AliquotVolumeError (IM304)
 */
export async function createAliquots(tx: Transaction, input: CreateAliquotsInput): Promise<Sample[]> {
  const { sampleId, volumesMl, clientOpId, actorId = null, locationId = null } = input
  return tx.query<Sample>(createAliquotsSql, [sampleId, volumesMl, clientOpId, actorId, locationId])
}

/** What a move records beside place, reason and temperature. */
export interface SampleMoveDetails {
  /** When collected. */
  readonly patientIdCheck?: 'two_identifiers' | 'wristband_scan'
  readonly volumeMl?: number
  readonly bodySite?: string
  readonly collectionMethod?: string
  /** When it leaves. */
  readonly shipmentRef?: string
  readonly transportBox?: string
  /** When received, or rejected. */
  readonly receiptCondition?:
    | 'good'
    | 'haemolysed'
    | 'lipaemic'
    | 'icteric'
    | 'clotted'
    | 'leaked'
    | 'insufficient'
    | 'unlabelled'
    | 'mislabelled'
    | 'wrong_container'
    | 'delayed'
    | 'temperature_breach'
  /** Why a compromised sample is accepted; printed on the report. */
  readonly acceptedWithException?: string
  /** When stored. */
  readonly storagePosition?: string
  /** YYYY-MM-DD. */
  readonly retainUntil?: string
  readonly note?: string
  readonly deviceId?: string
}

export interface ChangeSampleStateInput extends SampleMoveDetails {
  readonly sampleId: string
  readonly to: SampleStatus
  /** Default: the signed-in member of staff. */
  readonly actorId?: string
  readonly locationId?: string
  /** Coded; needed for rejected and lost. */
  readonly reasonCode?: string
  readonly temperatureC?: number
  /** Id that an offline client gave the move: sent again, it gets the first event. */
  readonly clientOpId?: string
  /** When it happened. Default: now. */
  readonly occurredAt?: Date
}

export const changeSampleStateSql = `
select ${eventColumns}
from laboratory.change_sample_state($1, $2, $3, $4, $5, $6, $7, $8, $9)`

/**
 * Moves a sample and returns the event of the move. A rejected or lost sample is replaced by a planned one.
 * @throws ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError (IM006), LegalHoldError (IM007),
 * IdempotencyKeyReusedError (IM011), SampleMoveError (IM300), RejectionReasonError (IM301),
 * PatientNotIdentifiedError (IM302), StabilityExceededError (IM305)
 */
export async function changeSampleState(tx: Transaction, input: ChangeSampleStateInput): Promise<SampleEvent> {
  const { sampleId, to, actorId, locationId, reasonCode, temperatureC, clientOpId, occurredAt, ...details } = input
  const rows = await tx.query<SampleEvent>(changeSampleStateSql, [
    sampleId,
    to,
    actorId ?? null,
    locationId ?? null,
    reasonCode ?? null,
    temperatureC ?? null,
    clientOpId ?? null,
    occurredAt ?? null,
    JSON.stringify(toColumns(details)),
  ])
  return single(rows)
}
