/** One version of a stored file, as the operations return it. */
export interface Document {
  readonly id: string
  /** All versions of a document share it. */
  readonly documentNumber: string
  readonly version: number
  readonly status: DocumentStatus
  readonly virusScan: 'pending' | 'clean' | 'infected'
  readonly patientId: string | null
  readonly supersedesId: string | null
  /** An earlier document of the same patient with the same content: a hint for a person. */
  readonly duplicateOfId: string | null
  readonly rowVersion: number
}

export type DocumentStatus = 'preliminary' | 'current' | 'superseded' | 'entered_in_error' | 'discarded'

export const documentColumns = `
  id, document_number as "documentNumber", version, status, virus_scan as "virusScan", patient_id as "patientId",
  supersedes_id as "supersedesId", duplicate_of_id as "duplicateOfId", row_version as "rowVersion"`
