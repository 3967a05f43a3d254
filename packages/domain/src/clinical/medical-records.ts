import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** A clinical note, without its content. */
export interface MedicalRecord {
  readonly id: string
  readonly recordNumber: string
  readonly patientId: string
  readonly encounterId: string
  readonly typeCode: string
  readonly title: string
  readonly authorId: string
  readonly signedAt: Date | null
  readonly signedBy: string | null
  readonly cosignedAt: Date | null
  readonly amendsId: string | null
  readonly lateEntry: boolean
  readonly status: 'draft' | 'signed' | 'amended' | 'discarded' | 'entered_in_error'
  readonly rowVersion: number
}

export const medicalRecordColumns = `
  id, record_number as "recordNumber", patient_id as "patientId", encounter_id as "encounterId",
  type_code as "typeCode", title, author_id as "authorId", signed_at as "signedAt", signed_by as "signedBy",
  cosigned_at as "cosignedAt", amends_id as "amendsId", late_entry as "lateEntry", status,
  row_version as "rowVersion"`

export interface WriteMedicalRecordInput {
  readonly encounterId: string
  /** consultation, progress, nursing, operative, death_note ... */
  readonly typeCode: string
  readonly title: string
  /** Encrypted by the application. */
  readonly contentEnc: Uint8Array
  /** SHA-256 of the text. */
  readonly contentHash: Uint8Array
  readonly sections?: object
  readonly confidentiality?: 'N' | 'R' | 'V'
  /** Senior who must sign as well. */
  readonly cosignerId?: string
  readonly id?: string
  readonly amendsId?: string
  readonly amendmentReason?: string
}

export const writeMedicalRecordSql = `select ${medicalRecordColumns}\nfrom clinical.write_medical_record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

/**
 * Writes a draft note. An id that the caller chose is written once.
 * @throws NotFoundError (IM005), NotPermittedError (IM006), IdempotencyKeyReusedError (IM011)
 */
export async function writeMedicalRecord(tx: Transaction, input: WriteMedicalRecordInput): Promise<MedicalRecord> {
  const {
    encounterId,
    typeCode,
    title,
    contentEnc,
    contentHash,
    sections = null,
    confidentiality = 'N',
    cosignerId = null,
    id = null,
    amendsId = null,
    amendmentReason = null,
  } = input
  return single(
    await tx.query<MedicalRecord>(writeMedicalRecordSql, [
      encounterId,
      typeCode,
      title,
      contentEnc,
      contentHash,
      sections,
      confidentiality,
      cosignerId,
      id,
      amendsId,
      amendmentReason,
    ]),
  )
}

export const signMedicalRecordSql = `select ${medicalRecordColumns}\nfrom clinical.sign_medical_record($1)`

/**
 * The author signs a draft: from now on nobody changes it. Signing an addendum marks the note that it names as
 * amended.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function signMedicalRecord(tx: Transaction, recordId: string): Promise<MedicalRecord> {
  return single(await tx.query<MedicalRecord>(signMedicalRecordSql, [recordId]))
}

export const cosignMedicalRecordSql = `select ${medicalRecordColumns}\nfrom clinical.cosign_medical_record($1)`

/**
 * The senior who is named in a signed note signs it as well.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function cosignMedicalRecord(tx: Transaction, recordId: string): Promise<MedicalRecord> {
  return single(await tx.query<MedicalRecord>(cosignMedicalRecordSql, [recordId]))
}

export interface AmendMedicalRecordInput {
  readonly recordId: string
  readonly contentEnc: Uint8Array
  readonly contentHash: Uint8Array
  readonly reason: string
  readonly sections?: object
  readonly id?: string
}

export const amendMedicalRecordSql = `select ${medicalRecordColumns}\nfrom clinical.amend_medical_record($1, $2, $3, $4, $5, $6)`

/**
 * Writes an addendum to a signed note, as a draft of its own; sign it to let it count.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError
 * (IM006)
 */
export async function amendMedicalRecord(tx: Transaction, input: AmendMedicalRecordInput): Promise<MedicalRecord> {
  const { recordId, contentEnc, contentHash, reason, sections = null, id = null } = input
  return single(
    await tx.query<MedicalRecord>(amendMedicalRecordSql, [recordId, contentEnc, contentHash, reason, sections, id]),
  )
}

export const discardMedicalRecordSql = `select ${medicalRecordColumns}\nfrom clinical.discard_medical_record($1)`

/**
 * The author discards a draft.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function discardMedicalRecord(tx: Transaction, recordId: string): Promise<MedicalRecord> {
  return single(await tx.query<MedicalRecord>(discardMedicalRecordSql, [recordId]))
}

export const markMedicalRecordInErrorSql = `select ${medicalRecordColumns}\nfrom clinical.mark_medical_record_in_error($1, $2)`

/**
 * Who signed a note says that it should not exist; it stays readable.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError
 * (IM006)
 */
export async function markMedicalRecordInError(
  tx: Transaction,
  recordId: string,
  reason: string,
): Promise<MedicalRecord> {
  return single(await tx.query<MedicalRecord>(markMedicalRecordInErrorSql, [recordId, reason]))
}
