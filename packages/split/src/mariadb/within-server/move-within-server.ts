import { setTimeout as sleep } from 'node:timers/promises'
import type { TableName } from '../../model.ts'
import type { OwnedForeignKey } from '../../side.ts'
import { prepareBookkeeping } from '../bookkeeping.ts'
import { readTables } from '../catalog.ts'
import { FenceTimeoutError } from '../errors.ts'
import { dropForeignKeys, restoreForeignKeys } from '../foreign-keys.ts'
import { errorCode, openSession, placeOf, type Session } from '../session.ts'
import { ownStatement, quoteName, quoteTable, quoteText } from '../sql-text.ts'
import { retryBusy } from '../table-locks.ts'
import { createTrigger, forgetKept, keepTrigger, keptTriggers, readTriggers } from '../triggers.ts'

export interface WithinServerMove {
  /** Names of tables of the database in the URL. */
  readonly tables: readonly string[]
  /** The service's own database on the same server; it is made when it is missing. */
  readonly database: string
  /** A user with rights on that database and nothing else. */
  readonly user?: { readonly name: string; readonly host: string; readonly password: string }
}

export interface WithinServerResult {
  /** Tables that were renamed; those that are there already are not among them. */
  readonly moved: readonly string[]
  /** Keys across the border, dropped: `undoMoveWithinServer` puts them back. */
  readonly foreignKeys: readonly OwnedForeignKey[]
  /** Views that read a moved table by its old name, and fail from now on. */
  readonly views: readonly string[]
  /** Triggers that were made again in the new database; names in their bodies are looked up there. */
  readonly triggers: readonly string[]
}

/**
 * Gives a service a database of its own on the same server: all tables are renamed over in one statement, without a copy.
 * Clients that name the old database are refused from that moment. Run twice it does what is left to do.
 */
export async function moveWithinServer(url: string, move: WithinServerMove): Promise<WithinServerResult> {
  const from = placeOf(url).database
  const session = await openSession(url)
  try {
    await prepareBookkeeping(session, from)
    await session.run(createLike(move.database, await charsetOf(session, from)))
    const left = await existing(session, from, move.tables)
    const foreignKeys = await crossingKeys(session, from, move)
    const views = await readersOf(session, from, move.tables)
    await dropForeignKeys(session, foreignKeys)
    await rename(url, session, left, from, move.database)
    const triggers = await recreateTriggers(session, move.tables, [move.database, from])
    if (move.user) await grantOnly(session, move.database, move.user)
    return { moved: left, foreignKeys, views, triggers }
  } finally {
    await session.close()
  }
}

/** The same backwards. The new database stays, without these tables. */
export async function undoMoveWithinServer(
  url: string,
  move: Pick<WithinServerMove, 'tables' | 'database'>,
  foreignKeys: readonly OwnedForeignKey[],
): Promise<void> {
  const from = placeOf(url).database
  const session = await openSession(url)
  try {
    await prepareBookkeeping(session, from)
    const there = await existing(session, move.database, move.tables)
    await rename(url, session, there, move.database, from)
    await recreateTriggers(session, move.tables, [move.database, from])
    await restoreForeignKeys(session, foreignKeys)
  } finally {
    await session.close()
  }
}

async function charsetOf(session: Session, database: string): Promise<(string | null)[]> {
  const [row = []] = await session.rows(
    `select default_character_set_name, default_collation_name from information_schema.schemata
      where schema_name = ${quoteText(database)}`,
  )
  return row
}

function createLike(database: string, [charset, collation]: (string | null)[]): string {
  return `create database if not exists ${quoteName(database)} character set ${charset} collate ${collation}`
}

async function existing(session: Session, database: string, tables: readonly string[]): Promise<string[]> {
  const rows = await session.rows(
    `select table_name from information_schema.tables where table_schema = ${quoteText(database)} and table_type = 'BASE TABLE'`,
  )
  const names = new Set(rows.map(([name]) => name))
  return tables.filter((table) => names.has(table))
}

/** Keys with one end inside the service and one outside. */
async function crossingKeys(
  session: Session,
  from: string,
  { tables, database }: WithinServerMove,
): Promise<OwnedForeignKey[]> {
  const isInside = ({ schema, name }: TableName) => (schema === from || schema === database) && tables.includes(name)
  const all = await readTables(session, from)
  return all.flatMap(({ schema, name, foreignKeys }) =>
    foreignKeys
      .map((key): OwnedForeignKey => ({ ...key, table: { schema, name } }))
      .filter((key) => isInside(key.table) !== isInside(key.references)),
  )
}

async function readersOf(session: Session, from: string, tables: readonly string[]): Promise<string[]> {
  const rows = await session.rows(
    `select table_name, view_definition from information_schema.views where table_schema = ${quoteText(from)} order by 1`,
  )
  return rows
    .filter(([, definition]) => tables.some((table) => definition?.includes(quoteTable({ schema: from, name: table }))))
    .map(([name]) => name ?? '')
}

/**
 * A table with triggers cannot be renamed to another database: they are dropped, and made again there. Written down before,
 * they are made again by the next call also when this one is killed.
 */
async function rename(
  url: string,
  session: Session,
  names: readonly string[],
  from: string,
  to: string,
): Promise<void> {
  if (names.length === 0) return
  const tables = names.map((name) => ({ schema: from, name }))
  const pairs = tables.map((table) => `${quoteTable(table)} to ${quoteTable({ ...table, schema: to })}`)
  const statement = `${ownStatement} rename table ${pairs.join(', ')}`
  const triggers = await readTriggers(session, tables)
  if (triggers.length === 0) return retryBusy(session, tables, statement)
  for (const trigger of triggers) await keepTrigger(session, trigger)
  const locks = tables.map((table) => `${quoteTable(table)} write`)
  await retryBusy(session, tables, `lock tables ${locks.join(', ')}`)
  for (const { table, name } of triggers) {
    await session.run(`${ownStatement} drop trigger ${quoteTable({ ...table, name })}`)
  }
  const isRenamed = await renameFirst(url, session, statement)
  if (isRenamed) return
  await recreateTriggers(session, names, [from])
  throw new FenceTimeoutError(tables, 1)
}

/** In the database where each table is now. Gives the names of those that were made. */
async function recreateTriggers(
  session: Session,
  tables: readonly string[],
  databases: readonly string[],
): Promise<string[]> {
  const home = await session.value('select database()')
  const made: string[] = []
  const kept = await keptTriggers(session, tables)
  for (const database of kept.length === 0 ? [] : databases) {
    const here = await existing(session, database, tables)
    const triggers = await readTriggers(
      session,
      here.map((name) => ({ schema: database, name })),
    )
    await session.run(`use ${quoteName(database)}`)
    for (const { table, name, definition } of kept) {
      if (!here.includes(table) || triggers.some((trigger) => trigger.name === name)) continue
      await createTrigger(session, definition)
      made.push(name)
    }
  }
  await session.run(`use ${quoteName(home ?? '')}`)
  await forgetKept(session, tables)
  return made
}

/**
 * Lets go of the locked tables only when the renaming waits for them: it goes before all writers that wait, so that none of
 * them finds a table without its triggers.
 */
async function renameFirst(url: string, holder: Session, statement: string): Promise<boolean> {
  const other = await openSession(url)
  try {
    await other.run('set session lock_wait_timeout = 5')
    const id = other.connection.threadId
    const renaming = other.run(statement).then(
      () => true,
      (error: unknown) => {
        if (errorCode(error) === 'ER_LOCK_WAIT_TIMEOUT') return false
        throw error
      },
    )
    renaming.catch(() => undefined)
    for (let n = 0; n < 200; n++) {
      const state = await holder.value(`select state from information_schema.processlist where id = ${id}`)
      if (/metadata lock/i.test(state ?? '')) break
      await sleep(5)
    }
    await holder.run('unlock tables')
    return await renaming
  } finally {
    await other.close()
  }
}

async function grantOnly(
  session: Session,
  database: string,
  { name, host, password }: Required<WithinServerMove>['user'],
): Promise<void> {
  const user = `${quoteText(name)}@${quoteText(host)}`
  await session.run(`create user if not exists ${user} identified by ${quoteText(password)}`)
  await session.run(
    `grant select, insert, update, delete, execute, create temporary tables on ${quoteName(database)}.* to ${user}`,
  )
}
