import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { describeTarget, type Connection } from '@imhotep/postgres'
import type { TableName } from '../model.ts'
import { ReadOnlyCopyError } from './errors.ts'
import { publish, publishedTables, unpublish } from './publication.ts'
import { runUnlogged, withSession, withShortLocks } from './session.ts'
import { createSlot, dropSlot } from './slot.ts'
import { identifier, literal, qualified } from './sql-text.ts'

export interface ReadOnlyCopy {
  /** Superuser's connection string to the database that owns the tables. */
  readonly ownerUrl: string
  /** The same to the database that reads them; its tables of the same names exist and are empty. */
  readonly readerUrl: string
  readonly tables: readonly TableName[]
}

const maxWaitMs = 600_000
/** The server tries again every 5 s what will not go. */
const maxErrors = 3

/** Short names that tell the pair of databases apart on one server, as slots must be. */
function nameOf({ ownerUrl, readerUrl }: ReadOnlyCopy): string {
  const [owner, reader] = [describeTarget(ownerUrl), describeTarget(readerUrl)]
  const hash = createHash('sha256').update(`${owner.database} ${reader.host} ${reader.port} ${reader.database}`)
  const readable = reader.database.toLowerCase().replace(/[^a-z0-9_]/g, '_')
  return `imhotep_copy_${readable.slice(0, 40)}_${hash.digest('hex').slice(0, 8)}`
}

/**
 * Keeps copies of tables up to date in another database by the server's own replication, and takes the right to write them
 * from everybody but the owner. Returns when the rows that are there now have arrived. Twice is once.
 */
export async function makeReadOnlyCopy(copy: ReadOnlyCopy): Promise<void> {
  const name = nameOf(copy)
  await withSession(copy.ownerUrl, async (owner) => {
    await publish(owner, name, copy.tables.map(qualified), await publishedTables(owner, name))
    // On one server the subscription would wait for its own transaction to end, were it to make the slot itself.
    const made = await owner.query(
      'select from pg_replication_slots where slot_name = $1 and confirmed_flush_lsn is not null',
      [name],
    )
    if (made.length > 0) return
    await dropSlot(owner, name)
    await createSlot(owner, name)
  })
  await withSession(copy.readerUrl, async (reader) => {
    await closeForWriters(reader, copy.tables)
    const connection = connectionText(copy.ownerUrl)
    const [existing] = await reader.query<{ connection: string }>(
      `select subconninfo as connection from pg_subscription s join pg_database d on d.oid = s.subdbid
        where subname = $1 and datname = current_database()`,
      [name],
    )
    if (existing) {
      // The owner's password is another one, or its server has another name.
      if (existing.connection !== connection) {
        await runUnlogged(reader, `alter subscription ${identifier(name)} connection ${literal(connection)}`)
      }
      await reader.script(`alter subscription ${identifier(name)} refresh publication`)
    } else {
      // of an earlier copy, which ended
      await withShortLocks(reader, () => reader.script(`truncate ${copy.tables.map(qualified).join(', ')}`))
      // Policies bind the owner of the table, in whose name newer servers write unless told otherwise.
      const [server] = await reader.query<{ version: number }>(
        `select current_setting('server_version_num')::int as version`,
      )
      const asSuperuser = (server?.version ?? 0) >= 160000 ? ', run_as_owner = true' : ''
      await runUnlogged(
        reader,
        `create subscription ${identifier(name)} connection ${literal(connection)}
           publication ${identifier(name)} with (create_slot = false, slot_name = ${literal(name)}, copy_data = true${asSuperuser})`,
      )
    }
    await waitUntilCopied(reader, name)
  })
}

/** Ends the replication; the copies stay as they are, or go with `dropTables`. Nothing to end is no error. */
export async function dropReadOnlyCopy(copy: ReadOnlyCopy, options: { dropTables?: boolean } = {}): Promise<void> {
  const name = nameOf(copy)
  await withSession(copy.readerUrl, async (reader) => {
    const [existing] = await reader.query(
      'select from pg_subscription s join pg_database d on d.oid = s.subdbid where subname = $1 and datname = current_database()',
      [name],
    )
    if (existing) {
      // The slot is dropped below: the subscription could not when the owner's server is away.
      await reader.script(`alter subscription ${identifier(name)} disable`)
      await reader.script(`alter subscription ${identifier(name)} set (slot_name = none)`)
      await reader.script(`drop subscription ${identifier(name)}`)
    }
    if (options.dropTables) await reader.script(`drop table if exists ${copy.tables.map(qualified).join(', ')}`)
  })
  await withSession(copy.ownerUrl, async (owner) => {
    await dropSlot(owner, name)
    await unpublish(owner, name)
  })
}

/** Bytes of the owner's log that the reader has not applied yet; null without such a copy. */
export async function readOnlyCopyLag(copy: ReadOnlyCopy): Promise<number | null> {
  return withSession(copy.ownerUrl, async (owner) => {
    const [row] = await owner.query<{ lag: number }>(
      `select greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn), 0)::int8 as lag
         from pg_replication_slots where slot_name = $1`,
      [nameOf(copy)],
    )
    return row?.lag ?? null
  })
}

/** Replication writes with the rights of the table's owner, who keeps them. What is revoked of a table is revoked of its columns. */
async function closeForWriters(reader: Connection, tables: readonly TableName[]): Promise<void> {
  for (const table of tables) {
    const roles = await reader.query<{ role: string | null }>(
      `select distinct case when a.grantee = 0 then 'public' else quote_ident(r.rolname) end as role
         from pg_class c
         cross join lateral (select c.relacl union all select attacl from pg_attribute where attrelid = c.oid) held(acl)
         cross join aclexplode(held.acl) a left join pg_roles r on r.oid = a.grantee
        where c.oid = to_regclass($1) and a.grantee <> c.relowner
          and a.privilege_type in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')`,
      [qualified(table)],
    )
    for (const { role } of roles) {
      await reader.script(`revoke insert, update, delete, truncate on ${qualified(table)} from ${role}`)
    }
    await reader.script(`comment on table ${qualified(table)} is 'read-only copy: another service owns these rows'`)
  }
}

async function waitUntilCopied(reader: Connection, name: string): Promise<void> {
  for (const deadline = Date.now() + maxWaitMs; ; await sleep(50)) {
    const waiting = await reader.query<{ table: string }>(
      `select r.srrelid::regclass::text as table from pg_subscription_rel r join pg_subscription s on s.oid = r.srsubid
        where s.subname = $1 and r.srsubstate <> 'r'`,
      [name],
    )
    if (waiting.length === 0) return
    const [stats] = await reader.query<{ errors: number }>(
      'select sync_error_count as errors from pg_stat_subscription_stats where subname = $1',
      [name],
    )
    if (Date.now() > deadline || (stats?.errors ?? 0) >= maxErrors)
      throw new ReadOnlyCopyError(waiting.map(({ table }) => table))
  }
}

/** Words of libpq: the server connects to itself or another one with them, and reads a root certificate from its own disk. */
function connectionText(url: string): string {
  const { host, port, database, user } = describeTarget(url)
  const { password, searchParams } = new URL(url)
  const given = (name: string, variable: string) => searchParams.get(name) || process.env[variable]
  const words = {
    host,
    port: String(port),
    dbname: database,
    user,
    password: searchParams.get('password') || decodeURIComponent(password) || process.env['PGPASSWORD'],
    sslmode: given('sslmode', 'PGSSLMODE'),
    sslrootcert: given('sslrootcert', 'PGSSLROOTCERT'),
    connect_timeout: searchParams.get('connect_timeout'),
  }
  return Object.entries(words)
    .flatMap(([word, value]) => (value ? [`${word}='${value.replace(/['\\]/g, String.raw`\$&`)}'`] : []))
    .join(' ')
}
