import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'
import { documentColumns, type Document } from './document.ts'

export interface AddDocumentInput {
  readonly title: string
  /** A code of the hospital's list of document types, such as `lab_report`. */
  readonly typeCode: string
  readonly category: 'clinical' | 'consent' | 'identity' | 'insurance' | 'billing' | 'administrative' | 'imaging'
  /** Where the encrypted bytes are: s3://, gs://, azure:// or file://. */
  readonly storageUri: string
  readonly mime: string
  /** Size of the plain content, at most 500 MB. */
  readonly sizeBytes: number
  /** SHA-256 of the plain content. */
  readonly sha256: Uint8Array
  /** `kid` of the key that the bytes are encrypted with. */
  readonly keyKid: string
  readonly patientId?: string
  readonly encounterId?: string
  readonly templateId?: string
  /** The current version that this file replaces. */
  readonly supersedesId?: string
  /** Default: uploaded. */
  readonly source?: 'generated' | 'uploaded' | 'scanned' | 'hie' | 'device'
  /** HL7: N normal (default), R restricted, V very restricted. */
  readonly confidentiality?: 'N' | 'R' | 'V'
  readonly originalFilename?: string
  readonly capturedAt?: Date
  /** Calendar date, YYYY-MM-DD. */
  readonly retentionUntil?: string
}

export const addDocumentSql = `select ${documentColumns}\nfrom ehr.add_document($1)`

/**
 * Registers a stored file; it is preliminary until its virus scan and `finaliseDocument`. The same object twice is one document.
 * @throws NotFoundError (IM005), NotPermittedError (IM006), IdempotencyKeyReusedError (IM011) the object has other content
 */
export async function addDocument(tx: Transaction, input: AddDocumentInput): Promise<Document> {
  return single(await tx.query<Document>(addDocumentSql, [toColumns(input)]))
}
