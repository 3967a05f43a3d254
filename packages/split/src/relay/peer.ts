import type { Database } from '@imhotep/postgres'
import { RelayRoleError } from '../errors.ts'

/** A service that takes part. */
export interface Peer {
  readonly name: string
  /** A few connections of a superuser. */
  readonly db: Database
}

/**
 * From any other role policies hide rows, and nothing says so.
 * @throws RelayRoleError
 */
export async function requireSuperuser({ name, db }: Peer): Promise<void> {
  const [me] = await db.query<{ role: string; superuser: boolean }>(
    'select rolname as role, rolsuper as superuser from pg_roles where rolname = current_user',
  )
  if (!me?.superuser) throw new RelayRoleError(name, me?.role ?? '')
}
