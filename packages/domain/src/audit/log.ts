import type { Transaction } from '@imhotep/postgres'

export interface AccessRecord {
  /** Table or FHIR resource that was read. */
  readonly resourceType: string
  /** Null for a list or a search. */
  readonly resourceId: string | null
  readonly patientId: string | null
  readonly accessKind: 'view' | 'search' | 'list' | 'export' | 'print' | 'disclosure' | 'api'
  /** Fields that were shown, when not all. */
  readonly fields?: readonly string[]
  /** Default 1. */
  readonly rowCount?: number
}

export const logAccessSql = 'select audit.log_access($1, $2, $3, $4, $5::text[], $6)'

/** Records that health data was read, in the transaction that reads it. */
export async function logAccess(tx: Transaction, access: AccessRecord): Promise<void> {
  const { resourceType, resourceId, patientId, accessKind, fields = null, rowCount = 1 } = access
  await tx.query(logAccessSql, [resourceType, resourceId, patientId, accessKind, fields, rowCount])
}

export interface Disclosure {
  readonly resourceType: string
  readonly resourceId: string | null
  readonly patientId: string
  /** Who received the data. */
  readonly recipient: string
  /** Consent, law or order that allows it. */
  readonly legalBasis: string
  readonly consentId?: string
}

export const logDisclosureSql = 'select audit.log_disclosure($1, $2, $3, $4, $5, $6)'

/**
 * Records that health data left the house, in the transaction that sends it.
 * @throws CheckViolationError without recipient or legal basis
 */
export async function logDisclosure(tx: Transaction, disclosure: Disclosure): Promise<void> {
  const { resourceType, resourceId, patientId, recipient, legalBasis, consentId = null } = disclosure
  await tx.query(logDisclosureSql, [resourceType, resourceId, patientId, recipient, legalBasis, consentId])
}

export interface AuditEvent {
  readonly action:
    'login' | 'login_failed' | 'logout' | 'export' | 'print' | 'ddl' | 'grant' | 'config' | 'policy_denied'
  readonly schema: string
  readonly table: string
  readonly rowId: string | null
  readonly reason?: string
}

export const logEventSql = 'select audit.log_event($1, $2, $3, $4, $5)'

/** Writes an event to the audit log that is no change of a row. */
export async function logEvent(tx: Transaction, event: AuditEvent): Promise<void> {
  await tx.query(logEventSql, [event.action, event.schema, event.table, event.rowId, event.reason ?? null])
}
