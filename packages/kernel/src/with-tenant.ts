import { randomUUID } from 'node:crypto'
import type { Database, Transaction, TransactionOptions } from '@imhotep/postgres'

/** Why health data is used, as the audit log records it (HL7 PurposeOfUse). */
export type PurposeOfUse = 'TREAT' | 'HPAYMT' | 'HOPERAT' | 'CAREMGT' | 'BTG' | 'PUBHLTH' | 'HRESCH' | 'PATRQT'

/** Who asks, for which tenant and why. The tenant comes from a verified token, never from a header or a body. */
export interface RequestContext {
  readonly tenant: string
  /** Null for a system task. */
  readonly user: string | null
  /** Hospital role that the user acts in: doctor, receptionist, system ... */
  readonly role: string
  readonly purpose: PurposeOfUse
  /** Default: a new UUID. */
  readonly requestId?: string
  readonly details?: RequestDetails
  /** From `signContext`. */
  readonly signature?: string
}

/** What the audit log records beside the actor. */
export interface RequestDetails {
  readonly service?: string
  readonly reason?: string
  readonly ip?: string
  readonly userAgent?: string
  readonly sessionId?: string
  readonly correlationId?: string
}

/**
 * Runs `work` in one transaction that sees and writes the rows of one tenant. The only way to a transaction: there is
 * no query without a tenant. The context travels with BEGIN and the first statement in one round trip.
 * @throws what `work` throws; NoTenantContextError (IM003) for a context without a tenant; ContextNotSignedError (IM014)
 * where the database requires signatures
 */
export function withTenant<T>(
  db: Database,
  context: RequestContext,
  work: (tx: Transaction) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  return db.transaction(work, { ...options, first: [beginRequest(context), ...(options.first ?? [])] })
}

function beginRequest(context: RequestContext): { sql: string; params: unknown[] } {
  const { tenant, user, role, purpose, requestId = randomUUID(), details = {}, signature } = context
  return {
    sql: 'select core.begin_request($1::uuid, $2::uuid, $3, $4, $5::uuid, $6::jsonb)',
    params: [tenant, user, role, purpose, requestId, { ...detailsToJson(details), signature }],
  }
}

function detailsToJson(details: RequestDetails): Record<string, string | undefined> {
  return {
    service: details.service,
    reason: details.reason,
    ip: details.ip,
    user_agent: details.userAgent,
    session_id: details.sessionId,
    correlation_id: details.correlationId,
  }
}
