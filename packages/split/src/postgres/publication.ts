import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from '@imhotep/postgres'
import { UnpublishableTableError } from './errors.ts'
import { readIdentities, whyUnpublishable } from './identity.ts'
import { identifier, withPartitions } from './sql-text.ts'

/** A transaction that is still open after that is idle: its statement is past the look that could fail. */
const maxWaitMs = 5_000

/**
 * Makes the publication, or has the one that is there publish these tables (qualified, quoted names) and no others.
 * @param published what it publishes now, by `publishedTables`
 * @throws UnpublishableTableError instead of taking from clients the right to change rows
 */
export async function publish(
  session: Connection,
  name: string,
  tables: readonly string[],
  published: readonly string[] | null,
): Promise<void> {
  for (const identity of await readIdentities(session, tables)) {
    const why = whyUnpublishable(identity)
    if (why) throw new UnpublishableTableError(why)
  }
  const publication = identifier(name)
  if (published === null) {
    const list = tables.length === 0 ? '' : `for table ${tables.join(', ')}`
    await session.script(`create publication ${publication} ${list} with (publish_via_partition_root = true)`)
  } else if (tables.length > 0) {
    await session.script(`alter publication ${publication} set table ${tables.join(', ')}`)
  } else await publishNothing(session, name, published)
}

/**
 * Drops the publication, when it is there, without an error for those who write its tables. A statement reads which
 * publications a table has and then looks each of them up; one that is gone in between fails it ("cache lookup failed for
 * publication"). So the tables leave first, and the publication goes when nobody is left who may still know of it.
 */
export async function unpublish(session: Connection, name: string): Promise<void> {
  const published = await publishedTables(session, name)
  if (published === null) return
  await publishNothing(session, name, published)
  const writers = await writersOf(session, published)
  for (const deadline = Date.now() + maxWaitMs; Date.now() < deadline; await sleep(10)) {
    if (!(await isAnyOpen(session, writers))) break
  }
  await session.script(`drop publication if exists ${identifier(name)}`)
}

/** Null without a publication. Partitioned tables stand for their partitions. */
export async function publishedTables(session: Connection, name: string): Promise<string[] | null> {
  const [row] = await session.query<{ tables: string[] | null }>(
    `select (select array_agg(format('"%s"."%s"', replace(n.nspname, '"', '""'), replace(c.relname, '"', '""')))
               from pg_publication_rel r join pg_class c on c.oid = r.prrelid join pg_namespace n on n.oid = c.relnamespace
              where r.prpubid = p.oid) as tables
       from pg_publication p where p.pubname = $1`,
    [name],
  )
  return row ? (row.tables ?? []).toSorted() : null
}

async function publishNothing(session: Connection, name: string, published: readonly string[]): Promise<void> {
  if (published.length === 0) return
  await session.script(`alter publication ${identifier(name)} drop table ${published.join(', ')}`)
}

/** Virtual transaction ids of those who write these tables, or partitions of them, now. */
async function writersOf(session: Connection, tables: readonly string[]): Promise<string[]> {
  const rows = await session.query<{ transaction: string }>(
    `select distinct l.virtualtransaction as transaction
       from unnest($1::text[]) t
       cross join lateral ${withPartitions('t')} m
       join pg_locks l on l.relation = m.oid
      where l.database = (select oid from pg_database where datname = current_database())
        and l.mode = 'RowExclusiveLock' and l.virtualtransaction <> '-1/0'`,
    [tables],
  )
  return rows.map(({ transaction }) => transaction)
}

async function isAnyOpen(session: Connection, transactions: readonly string[]): Promise<boolean> {
  if (transactions.length === 0) return false
  const open = await session.query('select from pg_locks where virtualtransaction = any($1) limit 1', [transactions])
  return open.length > 0
}
