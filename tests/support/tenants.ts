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

/** Moves a tenant to where it is another day than on the server; returns that place and its day. */
export async function moveToAnotherDay(
  superuser: Pick<Database, 'query'>,
  tenant: string,
): Promise<{ zone: string; date: string }> {
  const [there] = await superuser.query<{ zone: string; date: string }>(
    `update core.tenants t
     set timezone = z.zone
     from unnest(array['Etc/GMT+12', 'Pacific/Kiritimati']) as z (zone)
     where t.id = $1 and (now() at time zone z.zone)::date <> current_date
     returning z.zone, ((now() at time zone z.zone)::date)::text as date`,
    [tenant],
  )
  if (there === undefined) throw new Error('the server counts in an unusual time zone')
  return there
}

/** A request of some user in a tenant. */
export function contextOf(tenant: string, rest: Partial<RequestContext> = {}): RequestContext {
  return { tenant, user: randomUUID(), role: 'doctor', purpose: 'TREAT', ...rest }
}
