import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** DICOM modality. */
export type Modality = 'CR' | 'DX' | 'CT' | 'MR' | 'US' | 'MG' | 'XA' | 'NM' | 'PT' | 'RF' | 'OT'

export type ImagingStudyMove = 'arrived' | 'in_progress' | 'acquired' | 'archived' | 'cancelled' | 'discontinued'

/** An imaging examination as the operations return it. */
export interface ImagingStudy {
  readonly id: string
  readonly accessionNumber: string
  readonly serviceRequestId: string
  readonly patientId: string
  readonly modality: Modality
  readonly bodySite: string
  readonly scheduledAt: Date | null
  readonly startedAt: Date | null
  readonly endedAt: Date | null
  readonly status:
    | 'registered'
    | 'scheduled'
    | 'arrived'
    | 'in_progress'
    | 'acquired'
    | 'reported'
    | 'archived'
    | 'cancelled'
    | 'discontinued'
  readonly rowVersion: number
}

export const imagingStudyColumns = `
  id, accession_number as "accessionNumber", service_request_id as "serviceRequestId", patient_id as "patientId",
  modality, body_site as "bodySite", scheduled_at as "scheduledAt", started_at as "startedAt",
  ended_at as "endedAt", status, row_version as "rowVersion"`

export interface RegisterImagingStudyInput {
  readonly orderId: string
  readonly modality: Modality
  readonly bodySite: string
  readonly laterality?: 'left' | 'right' | 'bilateral' | 'na'
  /** An ultrasound of a pregnancy: Form F of the PCPNDT Act is needed. */
  readonly isObstetric?: boolean
  readonly scheduledAt?: Date
}

export const registerImagingStudySql = `select ${imagingStudyColumns}\nfrom clinical.register_imaging_study($1, $2, $3, $4, $5, $6)`

/**
 * Registers an examination for an active order of imaging. Asked again: the same study.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function registerImagingStudy(tx: Transaction, input: RegisterImagingStudyInput): Promise<ImagingStudy> {
  const { orderId, modality, bodySite, laterality = null, isObstetric = false, scheduledAt = null } = input
  return single(
    await tx.query<ImagingStudy>(registerImagingStudySql, [
      orderId,
      modality,
      bodySite,
      laterality,
      isObstetric,
      scheduledAt,
    ]),
  )
}

export const moveImagingStudySql = `select ${imagingStudyColumns}\nfrom clinical.move_imaging_study($1, $2, $3)`

/**
 * The patient arrived, the examination is going on, acquired, archived, or given up for a reason.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError
 * (IM006)
 */
export async function moveImagingStudy(
  tx: Transaction,
  studyId: string,
  status: ImagingStudyMove,
  reason: string | null = null,
): Promise<ImagingStudy> {
  return single(await tx.query<ImagingStudy>(moveImagingStudySql, [studyId, status, reason]))
}
