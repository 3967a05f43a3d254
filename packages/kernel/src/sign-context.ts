import { createHmac, randomUUID } from 'node:crypto'
import { UsageError } from '@imhotep/base'
import type { RequestContext } from './with-tenant.ts'

/** A row of core.context_keys. It belongs where people are signed in, and never into SQL. */
export interface ContextKey {
  readonly kid: string
  /** At least 32 bytes. */
  readonly secret: Buffer
}

export interface SignOptions {
  /** Within what time the transaction has to begin, default 60. */
  readonly seconds?: number
}

/**
 * The context with a signature over tenant, user, role, purpose and request id. A database that requires signatures works
 * for no other: SQL that was injected cannot become another tenant, user or role.
 * @throws UsageError for a short key, or a role or purpose of more than one line
 */
export function signContext(
  context: RequestContext,
  key: ContextKey,
  { seconds = 60 }: SignOptions = {},
): RequestContext {
  if (key.secret.length < 32)
    throw new UsageError('a key for contexts has at least 32 bytes', { hint: 'make one with: openssl rand 32' })
  if (/\n/.test(context.role + context.purpose))
    throw new UsageError('a role or purpose of more than one line cannot be signed', {
      hint: 'leave the line break out',
    })
  const { requestId = randomUUID() } = context
  const expires = Math.floor(Date.now() / 1000) + seconds
  // as PostgreSQL writes a UUID
  const ids = [requestId, context.tenant, context.user ?? ''].map((id) => id.toLowerCase())
  const signed = [key.kid, expires, ...ids, context.purpose, context.role].join('\n')
  const hmac = createHmac('sha256', key.secret).update(signed).digest('hex')
  return { ...context, requestId, signature: `${key.kid}.${expires}.${hmac}` }
}
