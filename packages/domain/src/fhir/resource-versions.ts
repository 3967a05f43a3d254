import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'

/** A rendering of a row in FHIR. */
export interface ResourceVersion {
  readonly id: string
  readonly resourceType: string
  readonly logicalId: string
  /** 1, 2, 3 without gaps. */
  readonly version: number
  readonly contentEnc: Buffer
  readonly contentHash: Buffer
  readonly profile: readonly string[]
  /** Outcome of the validation, null when there was none. */
  readonly valid: boolean | null
  readonly recordedAt: Date
}

const versionColumns = `
  id, resource_type as "resourceType", logical_id as "logicalId", version, content_enc as "contentEnc",
  content_hash as "contentHash", profile, valid, recorded_at as "recordedAt"`

export interface StoreVersionInput {
  readonly resourceType: string
  readonly logicalId: string
  readonly contentEnc: Uint8Array
  /** SHA-256 of the canonical JSON before encryption. */
  readonly contentHash: Uint8Array
  /** Table of the rendered row, such as clinical.encounters. */
  readonly source: string
  readonly sourceId: string
  readonly patientId?: string
  readonly profile?: readonly string[]
  readonly validator?: string
  readonly valid?: boolean
  readonly issues?: readonly object[]
  readonly bundleType?: string
  /** Version that the rendering follows, 0 for none. Default: whichever is the last. */
  readonly expectedVersion?: number
}

export const storeVersionSql = `select ${versionColumns}\nfrom fhir.store_version($1, $2, $3, $4, $5, $6, $7, $8)`

/**
 * Stores a rendering as the next version of a resource; the content of the last version again is that version.
 * @throws StaleVersionError (IM004)
 */
export async function storeVersion(tx: Transaction, input: StoreVersionInput): Promise<ResourceVersion> {
  const { resourceType, logicalId, contentEnc, contentHash, source, sourceId, patientId = null, ...options } = input
  const params = [resourceType, logicalId, contentEnc, contentHash, source, sourceId, patientId, toColumns(options)]
  return single(await tx.query<ResourceVersion>(storeVersionSql, params))
}

export const resourceHistorySql = `select ${versionColumns}\nfrom fhir.resource_history($1, $2, $3)`

/** The last `limit` versions of a resource (default 50), newest first. Whoever decrypts one logs the access. */
export async function resourceHistory(
  tx: Transaction,
  resourceType: string,
  logicalId: string,
  limit = 50,
): Promise<ResourceVersion[]> {
  return tx.query<ResourceVersion>(resourceHistorySql, [resourceType, logicalId, limit])
}
