import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** An implanted device. */
export interface Implant {
  readonly id: string
  readonly patientId: string
  readonly procedureId: string
  readonly itemId: string
  readonly batchId: string | null
  readonly udi: string | null
  readonly serialNumber: string | null
  readonly implantedAt: Date
}

export const implantColumns = `
  id, patient_id as "patientId", procedure_id as "procedureId", item_id as "itemId", batch_id as "batchId", udi,
  serial_number as "serialNumber", implanted_at as "implantedAt"`

export interface RecordImplantInput {
  readonly procedureId: string
  readonly itemId: string
  readonly bodySite: string
  readonly batchId?: string
  readonly udi?: string
  readonly serialNumber?: string
  readonly stickerDocumentId?: string
  readonly id?: string
}

export const recordImplantSql = `select ${implantColumns}\nfrom clinical.record_implant($1, $2, $3, $4, $5, $6, $7, $8)`

/**
 * Records an implant with its batch, UDI or serial number. An id that the caller chose is recorded once.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), IdempotencyKeyReusedError (IM011)
 */
export async function recordImplant(tx: Transaction, input: RecordImplantInput): Promise<Implant> {
  const {
    procedureId,
    itemId,
    bodySite,
    batchId = null,
    udi = null,
    serialNumber = null,
    stickerDocumentId = null,
    id = null,
  } = input
  return single(
    await tx.query<Implant>(recordImplantSql, [
      procedureId,
      itemId,
      bodySite,
      batchId,
      udi,
      serialNumber,
      stickerDocumentId,
      id,
    ]),
  )
}
