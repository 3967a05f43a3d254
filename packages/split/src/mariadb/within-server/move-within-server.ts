import type { OwnedForeignKey } from '../../side.ts'
import { dropForeignKeys, restoreForeignKeys } from '../foreign-keys.ts'
import { openSession, placeOf, type Session } from '../session.ts'
import { ownStatement, quoteName, quoteText } from '../sql-text.ts'
import { OtherMoveError } from './errors.ts'
import { planRename, type WithinServerPlan } from './plan.ts'
import { dropRecord, readRecord, writeRecord, type RenameRecord } from './rename-record.ts'
import { accountOf, findUser, grantOnly, type ServiceUser } from './service-user.ts'
import { checkRoom, transferTables, type Step, type Transfer } from './transfer-tables.ts'

export interface WithinServerMove {
  /** Names of tables of the database in the URL. */
  readonly tables: readonly string[]
  /** The service's own database on the same server; it is made when it is missing. */
  readonly database: string
  /** A user with rights on that database and nothing else. */
  readonly user?: ServiceUser
}

export interface WithinServerResult {
  /** Tables that were renamed; those that are there already are not among them. */
  readonly moved: readonly string[]
  /** Keys across the border: dropped, until the move is undone. */
  readonly foreignKeys: readonly OwnedForeignKey[]
  /** Views that read a moved table by its old name, and fail from now on. */
  readonly views: readonly string[]
  /** Triggers that are in the new database now; names in their bodies are looked up there. */
  readonly triggers: readonly string[]
}

export interface WithinServerOptions {
  /** Told what was done, step by step. */
  readonly step?: Step
}

/** What `moveWithinServer` would do; nothing is changed. @throws TableMissingError, TriggerCharsetError */
export function planWithinServer(url: string, move: WithinServerMove): Promise<WithinServerPlan> {
  return withSession(url, (session, from) => planRename(session, from, move.database, move.tables))
}

/**
 * Gives a service a database of its own on the same server by renaming its tables, without a copy. Clients that name the
 * old database are refused from that moment. What it takes to go back is written down in the new database before anything
 * changes: run again after a crash it does what is left to do, and `undoMoveWithinServer` takes it all back.
 * @throws OtherMoveError, TableInTheWayError, UserHasRightsError, FenceTimeoutError
 */
export async function moveWithinServer(
  url: string,
  move: WithinServerMove,
  { step = () => undefined }: WithinServerOptions = {},
): Promise<WithinServerResult> {
  return withSession(url, async (session, from) => {
    const record = (await knownRecord(session, from, move)) ?? (await beginRecord(session, from, move))
    await step('plan written down')
    for (const key of record.foreignKeys) {
      await dropForeignKeys(session, [key])
      await step(`foreign key ${key.name} dropped`)
    }
    const moved = await transfer(session, { ...record, to: move.database }, step)
    if (move.user) await grantOnly(session, move.database, move.user)
    const { foreignKeys, views, triggers } = record
    return { moved, foreignKeys, views, triggers: triggers.map(({ name }) => name) }
  })
}

/** Takes a move back, all or what there is of it. What the move made, the database and the user, goes when nothing else is in it. */
export async function undoMoveWithinServer(
  url: string,
  { database }: Pick<WithinServerMove, 'database'>,
  { step = () => undefined }: WithinServerOptions = {},
): Promise<void> {
  await withSession(url, async (session, from) => {
    const record = await readRecord(session, database)
    if (record === null) return
    if (record.from !== from) throw new OtherMoveError(database)
    await transfer(session, { ...record, from: database, to: from }, step)
    for (const key of record.foreignKeys) {
      await restoreForeignKeys(session, [key])
      await step(`foreign key ${key.name} restored`)
    }
    if (record.madeUser !== null) await session.run(`drop user if exists ${record.madeUser}`)
    await step('user dropped')
    if (record.madeDatabase && (await isEmpty(session, database))) {
      await session.run(`${ownStatement} drop database ${quoteName(database)}`)
    } else {
      await dropRecord(session, database)
    }
  })
}

async function withSession<T>(url: string, work: (session: Session, from: string) => Promise<T>): Promise<T> {
  const session = await openSession(url)
  try {
    const result = await work(session, placeOf(url).database)
    await session.close()
    return result
  } catch (error) {
    // it may be gone, and would not answer
    session.connection.destroy()
    throw error
  }
}

/** An error on the way brings the tables back to where clients look for them. */
async function transfer(session: Session, there: Transfer, step: Step): Promise<string[]> {
  try {
    return await transferTables(session, there, step)
  } catch (error) {
    const back = { ...there, from: there.to, to: there.from }
    await transferTables(session, back, () => undefined).catch(() => undefined)
    throw error
  }
}

async function knownRecord(session: Session, from: string, move: WithinServerMove): Promise<RenameRecord | null> {
  const record = await readRecord(session, move.database)
  if (record === null) return null
  const isSame =
    record.tables.length === move.tables.length && record.tables.every((name) => move.tables.includes(name))
  if (record.from !== from || !isSame) throw new OtherMoveError(move.database)
  if (move.user) await findUser(session, move.database, move.user)
  return record
}

async function beginRecord(session: Session, from: string, move: WithinServerMove): Promise<RenameRecord> {
  const { tables, foreignKeys, triggers, views } = await planRename(session, from, move.database, move.tables)
  await checkRoom(session, { tables, from, to: move.database })
  const userExists = move.user ? await findUser(session, move.database, move.user) : true
  const [row] = await session.rows(
    `select default_character_set_name, default_collation_name,
            (select 1 from information_schema.schemata where schema_name = ${quoteText(move.database)})
       from information_schema.schemata where schema_name = ${quoteText(from)}`,
  )
  const [charset, collation, exists] = row ?? []
  await session.run(
    `${ownStatement} create database if not exists ${quoteName(move.database)} character set ${charset} collate ${collation}`,
  )
  const record: RenameRecord = {
    from,
    tables,
    foreignKeys,
    triggers,
    views,
    madeDatabase: exists === null,
    madeUser: move.user && !userExists ? accountOf(move.user) : null,
  }
  await writeRecord(session, move.database, record)
  return record
}

async function isEmpty(session: Session, database: string): Promise<boolean> {
  const here = quoteText(database)
  const found = await session.value(
    `select (select count(*) from information_schema.tables
              where table_schema = ${here} and table_name <> 'imhotep_split_renames')
          + (select count(*) from information_schema.routines where routine_schema = ${here})
          + (select count(*) from information_schema.events where event_schema = ${here})`,
  )
  return found === '0'
}
