import { withDatabase, type Connection } from '@imhotep/postgres'
import { refuseClients } from '../postgres/provision.ts'
import { withSession } from '../postgres/session.ts'
import { identifier } from '../postgres/sql-text.ts'

/**
 * Renames the database of a reverted service when it holds an audit log, before it would be dropped for another move: it
 * is the only evidence of the time in which it served. Returns its new name; null when there is nothing to keep.
 * @param url a superuser's, to another database of the server
 * @throws ServiceDatabaseInUseError when clients are connected to it
 */
export async function keepEvidence(url: string, database: string): Promise<string | null> {
  return withSession(url, async (server) => {
    const [existing] = await server.query('select from pg_database where datname = $1', [database])
    if (!existing) return null
    const own = withDatabase(url, database)
    if (!(await withSession(own, hasEvidence))) return null
    await refuseClients(server, database)
    const roles = [`${database}_owner`, `${database}_app`].map(identifier).join(', ')
    // Its login roles go: the next database of the service gets new ones.
    await withSession(own, (session) =>
      session.script(`reassign owned by ${roles} to current_user; drop owned by ${roles}`),
    )
    const [row] = await server.query<{ name: string }>(
      `select left($1, 45) || '_until_' || to_char(clock_timestamp(), 'YYMMDDHH24MI') as name`,
      [database],
    )
    const name = row?.name as string
    await server.query('select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1', [database])
    await server.script(`alter database ${identifier(database)} rename to ${identifier(name)}`)
    return name
  })
}

async function hasEvidence(session: Connection): Promise<boolean> {
  const [table] = await session.query<{ found: boolean }>(`select to_regclass('audit.audit_logs') is not null as found`)
  if (!table?.found) return false
  const [row] = await session.query<{ any: boolean }>('select exists (select from audit.audit_logs) as any')
  return row?.any ?? false
}
