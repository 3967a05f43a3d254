import { randomUUID } from 'node:crypto'
import type { RequestContext } from '@imhotep/kernel'
import type { Database } from '@imhotep/postgres'

/** Makes an active tenant, with a new id or the one of another database, and returns its id. The code starts with `test`. */
export async function makeTenant(superuser: Database, id: string = randomUUID()): Promise<string> {
  const code = `test${id.slice(0, 8)}`
  await superuser.query(`select core.provision_tenant($1, $2, 'Test clinic', 'clinic', 'IN', 'Asia/Kolkata', 'INR')`, [
    id,
    code,
  ])
  return id
}

/** A request of some user in a tenant. */
export function contextOf(tenant: string, rest: Partial<RequestContext> = {}): RequestContext {
  return { tenant, user: randomUUID(), role: 'doctor', purpose: 'TREAT', ...rest }
}
