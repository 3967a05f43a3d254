import { randomBytes } from 'node:crypto'
import { statfs } from 'node:fs/promises'
import { Secret } from '@imhotep/base'
import { describeTarget, withDatabase, type Connection } from '@imhotep/postgres'
import { ServiceDatabaseInUseError } from './errors.ts'
import { dropOrigin } from './origin.ts'
import { runUnlogged, withSession } from './session.ts'
import { identifier, literal } from './sql-text.ts'

export interface ServiceDatabasePlan {
  /** Name of the database; the roles are `<database>_owner` and `<database>_app`. */
  readonly database: string
  /**
   * Databases that the service's role must not be able to enter although everybody can: all roles that may log in today keep
   * their way in, nobody else has one any more. Default none.
   */
  readonly closeTo?: readonly string[]
  /** Gives roles that exist a new password. Default false: whoever uses the old one goes on. */
  readonly renewPasswords?: boolean
}

export interface ServiceDatabaseAccess {
  /** Connection string of the caller's own role to the new database: holds a password. */
  readonly adminUrl: Secret
  /** Owns the tables, for migrations. */
  readonly owner: RoleAccess
  /** What the service logs in as: reads and writes rows, nothing else. */
  readonly application: RoleAccess
  /** Databases of the server that the application's role can enter beside its own. */
  readonly canEnter: readonly string[]
}

export interface RoleAccess {
  readonly role: string
  /** Null for a role that exists already and kept its password. */
  readonly url: Secret | null
}

/**
 * Makes the database of a service with roles of its own, or completes what is there of it.
 * @param url a superuser's, to any database of the server
 */
export async function provisionServiceDatabase(
  url: string,
  { database, closeTo = [], renewPasswords = false }: ServiceDatabasePlan,
): Promise<ServiceDatabaseAccess> {
  const adminUrl = withDatabase(url, database)
  const [ownerRole, applicationRole] = [`${database}_owner`, `${database}_app`]
  return withSession(url, async (server) => {
    const owner = await makeRole(server, ownerRole, adminUrl, renewPasswords)
    const application = await makeRole(server, applicationRole, adminUrl, renewPasswords)
    const [existing] = await server.query('select from pg_database where datname = $1', [database])
    if (!existing)
      await server.script(`create database ${identifier(database)} owner ${identifier(ownerRole)} template template0`)
    await server.script(
      `revoke all on database ${identifier(database)} from public;
       grant connect on database ${identifier(database)} to ${identifier(ownerRole)}, ${identifier(applicationRole)}`,
    )
    for (const other of closeTo) await closeDatabase(server, other, [ownerRole, applicationRole])
    await withSession(adminUrl, (session) =>
      session.script(
        `revoke create on schema public from public; alter schema public owner to ${identifier(ownerRole)}`,
      ),
    )
    const canEnter = await server.query<{ name: string }>(
      `select datname as name from pg_database
        where datallowconn and datname <> $2 and has_database_privilege($1, oid, 'connect') order by 1`,
      [applicationRole, database],
    )
    return { adminUrl: new Secret(adminUrl), owner, application, canEnter: canEnter.map(({ name }) => name) }
  })
}

/**
 * Gives all objects outside of our bookkeeping to the owner, and the application's role its rights on them, also on those
 * that the owner makes later.
 */
export async function grantServiceRoles(adminUrl: string): Promise<void> {
  const { database } = describeTarget(adminUrl)
  const [owner, application] = [identifier(`${database}_owner`), identifier(`${database}_app`)]
  await withSession(adminUrl, async (session) => {
    const schemas = await session.query<{ name: string }>(
      `select nspname as name from pg_namespace
        where nspname !~ '^pg_' and nspname not in ('information_schema', 'imhotep_split')`,
    )
    for (const name of schemas.map((schema) => identifier(schema.name))) {
      await session.script(
        `begin; ${await ownershipStatements(session, name, owner)};
         alter schema ${name} owner to ${owner};
         grant usage on schema ${name} to ${application};
         grant select, insert, update, delete on all tables in schema ${name} to ${application};
         grant usage, select, update on all sequences in schema ${name} to ${application};
         grant execute on all functions in schema ${name} to ${application};
         alter default privileges for role ${owner} in schema ${name}
           grant select, insert, update, delete on tables to ${application};
         alter default privileges for role ${owner} in schema ${name}
           grant usage, select, update on sequences to ${application};
         alter default privileges for role ${owner} in schema ${name} grant execute on functions to ${application};
         commit`,
      )
    }
  })
}

/**
 * Drops the database of a service and its roles, after a move that did not come about. Nothing to drop is no error.
 * @throws ServiceDatabaseInUseError when clients are connected to it
 */
export async function deprovisionServiceDatabase(
  url: string,
  database: string,
  logs: readonly string[],
): Promise<void> {
  await withSession(url, async (server) => {
    const [existing] = await server.query('select from pg_database where datname = $1', [database])
    const adminUrl = withDatabase(url, database)
    if (existing) {
      await refuseClients(server, database)
      await dropSlots(adminUrl)
      await server.script(`drop database ${identifier(database)} with (force)`)
    }
    for (const log of logs) await dropOrigin(server, adminUrl, log)
    for (const role of [`${database}_owner`, `${database}_app`]) await dropRole(server, role)
  })
}

/** @throws ServiceDatabaseInUseError when somebody but the mover is connected to the database */
export async function refuseClients(server: Connection, database: string): Promise<void> {
  const clients = await server.query(
    `select from pg_stat_activity where datname = $1 and backend_type = 'client backend' and application_name <> 'imhotep split'`,
    [database],
  )
  if (clients.length > 0) throw new ServiceDatabaseInUseError(database, clients.length)
}

/** Free bytes where the server keeps its data, when it is on this machine and can be looked at; else null: not known. */
export async function freeDiskBytes(url: string): Promise<number | null> {
  const { host } = describeTarget(url)
  if (!['localhost', '127.0.0.1', '::1'].includes(host)) return null
  const directory = await withSession(url, async (session) => {
    const [row] = await session.query<{ directory: string }>(`select current_setting('data_directory') as directory`)
    return row?.directory ?? ''
  })
  return statfs(directory).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => null,
  )
}

async function makeRole(server: Connection, role: string, url: string, renew: boolean): Promise<RoleAccess> {
  const [existing] = await server.query('select from pg_roles where rolname = $1', [role])
  if (existing && !renew) return { role, url: null }
  const password = randomBytes(24).toString('base64url')
  const verb = existing ? 'alter' : 'create'
  await runUnlogged(
    server,
    `${verb} role ${identifier(role)} login nosuperuser nocreatedb nocreaterole noreplication nobypassrls
       password ${literal(password)}`,
  )
  const own = new URL(url)
  own.username = encodeURIComponent(role)
  own.password = password
  return { role, url: new Secret(own.href) }
}

/** Everybody's right to connect becomes the right of each role that has it now. */
async function closeDatabase(server: Connection, database: string, except: readonly string[]): Promise<void> {
  const roles = await server.query<{ name: string }>(
    `select rolname as name from pg_roles
      where rolcanlogin and not rolsuper and not rolname = any ($1) and has_database_privilege(rolname, $2, 'connect')`,
    [except, database],
  )
  const grants = roles.map(({ name }) => `grant connect on database ${identifier(database)} to ${identifier(name)};`)
  await server.script(
    `begin; ${grants.join(' ')} revoke connect on database ${identifier(database)} from public; commit`,
  )
}

/** REASSIGN OWNED would take what belongs to the cluster along, and refuses a superuser's own. */
async function ownershipStatements(session: Connection, schema: string, owner: string): Promise<string> {
  const rows = await session.query<{ statement: string }>(
    `select format('alter %s %s owner to ${owner.replaceAll("'", "''")}', kind, name) as statement from (
       select case relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' else 'table' end as kind,
              c.oid::regclass::text as name
         from pg_class c
        where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S')
          and not exists (select from pg_depend d where d.objid = c.oid and d.classid = 'pg_class'::regclass
                             and (d.deptype = 'e' or c.relkind = 'S' and d.deptype in ('a', 'i')))
       union all
       select case p.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end, p.oid::regprocedure::text
         from pg_proc p
        where p.pronamespace = $1::regnamespace
          and not exists (select from pg_depend d where d.objid = p.oid and d.classid = 'pg_proc'::regclass and d.deptype = 'e')
       union all
       select case t.typtype when 'd' then 'domain' else 'type' end, t.oid::regtype::text
         from pg_type t
        where t.typnamespace = $1::regnamespace
          and (t.typtype in ('e', 'd', 'r')
               or t.typtype = 'c' and exists (select from pg_class c where c.oid = t.typrelid and c.relkind = 'c'))
          and not exists (select from pg_depend d where d.objid = t.oid and d.classid = 'pg_type'::regclass and d.deptype = 'e')
     ) objects`,
    [schema],
  )
  return rows.map(({ statement }) => statement).join(';')
}

/** A slot can be dropped from its own database only. */
async function dropSlots(adminUrl: string): Promise<void> {
  await withSession(adminUrl, async (session) => {
    await session.query(
      `select pg_terminate_backend(active_pid, 5000) from pg_replication_slots where database = current_database() and active`,
    )
    await session.query(
      `select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()`,
    )
  })
}

async function dropRole(server: Connection, role: string): Promise<void> {
  const [existing] = await server.query('select from pg_roles where rolname = $1', [role])
  if (!existing) return
  // Its right to enter other databases depends on it.
  await server.script(`drop owned by ${identifier(role)}; drop role ${identifier(role)}`)
}
