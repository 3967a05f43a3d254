import { signContext, type ContextKey } from './sign-context.ts'
import type { RequestContext } from './with-tenant.ts'

/** The context of a job that looks after a tenant; signed now, where the database asks for signatures. */
export function systemContext(tenant: string, key?: ContextKey): RequestContext {
  const context: RequestContext = { tenant, user: null, role: 'system', purpose: 'HOPERAT' }
  return key ? signContext(context, key) : context
}
