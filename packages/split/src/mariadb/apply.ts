import { setTimeout as sleep } from 'node:timers/promises'
import { inParts } from '../in-parts.ts'
import type { Change, Key, LogTransaction, MovedTable, Position, Row } from '../model.ts'
import { oneAtATime } from '../one-at-a-time.ts'
import { inBatches, tablesOf } from '../packed-changes.ts'
import { appliedTable, prepareBookkeeping } from './bookkeeping.ts'
import { ApplyRefusedError, MariadbConnectError, RowTooLongError } from './errors.ts'
import { readLayouts, type Layout, type LocalColumn } from './layout.ts'
import { isEmptyLabel, literal } from './literal.ts'
import { errorCode, openSession, type Session } from './session.ts'
import { quoteText } from './sql-text.ts'

/** Nothing is cut or guessed, and nothing refused that the tables have held before: zeros in dates and keys, old rows. */
const strict = 'STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'
const lenient = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'
const settings = [`sql_mode = '${strict}'`, 'foreign_key_checks = 0', 'innodb_lock_wait_timeout = 10']

/** Of one statement, which must fit in a packet: of 1 MB on old servers. */
const atOnce = { rows: 500, characters: 128 * 1024 }
const maxAttempts = 8
const tooLong = 'ER_NET_PACKET_TOO_LARGE'

/** Applies logs of the other side in a session of its own, one after the other. */
export class Applier {
  readonly #url: string
  readonly #database: string
  #session: Promise<Session> | undefined
  #layouts = new Map<MovedTable, Layout>()
  readonly #alone = oneAtATime()

  constructor(url: string, database: string) {
    this.#url = url
    this.#database = database
  }

  apply(log: string, transactions: readonly LogTransaction[], signal?: AbortSignal): Promise<void> {
    return this.#alone(() => this.#applyNow(log, transactions, signal))
  }

  close(): Promise<void> {
    return this.#alone(() => this.#forget())
  }

  async #applyNow(log: string, transactions: readonly LogTransaction[], signal?: AbortSignal): Promise<void> {
    const position = transactions.at(-1)?.position
    if (position === undefined) return
    for (let attempt = 1; ; attempt++) {
      const session = await (this.#session ??= this.#open())
      try {
        await this.#learn(session, tablesOf(transactions))
        await session.run('start transaction')
        await markApplied(session, log, position)
        for (const batch of inBatches(transactions)) {
          await applyChanges(session, batch, (table) => this.#layouts.get(table) as Layout)
        }
        await session.run('commit')
        return
      } catch (error) {
        await session.run('rollback').catch(() => undefined)
        if (!isWorthAnother(error)) {
          await this.#forget()
          throw error
        }
        if (attempt === maxAttempts || signal?.aborted) throw error
        await sleep(20 * attempt)
      }
    }
  }

  async #open(): Promise<Session> {
    const session = await openSession(this.#url, settings)
    await session.run('set @imhotep_split_apply = 1')
    // of MariaDB alone; rows that broke a check before are kept
    await session.run('set session check_constraint_checks = 0').catch(() => undefined)
    await prepareBookkeeping(session, this.#database)
    return withinPacket(session, Number(await session.value('select @@max_allowed_packet')))
  }

  async #learn(session: Session, tables: ReadonlySet<MovedTable>): Promise<void> {
    const unknown = [...tables].filter((table) => !this.#layouts.has(table))
    for (const [table, layout] of await readLayouts(session, unknown)) this.#layouts.set(table, layout)
  }

  async #forget(): Promise<void> {
    const session = await this.#session?.catch(() => undefined)
    this.#session = undefined
    this.#layouts = new Map()
    await session?.close()
  }
}

/** The server would close the connection in the middle of a longer statement. */
function withinPacket(session: Session, maxBytes: number): Session {
  return {
    ...session,
    run: (sql) => {
      // its kind stands in front of it
      if (Buffer.byteLength(sql) + 1 < maxBytes) return session.run(sql)
      return Promise.reject(Object.assign(new Error(`a statement of ${sql.length} characters`), { code: tooLong }))
    },
  }
}

/** Null before the first time. */
export async function readApplied(session: Session, database: string, log: string): Promise<Position | null> {
  await prepareBookkeeping(session, database)
  return session.value(`select position from ${appliedTable} where log = ${quoteText(log)}`)
}

/** The time changes in any case: it is by this row that a reader of the binlog knows the transaction as ours. */
function markApplied(session: Session, log: string, position: Position): Promise<number> {
  return session.run(
    `insert into ${appliedTable} (log, position) values (${quoteText(log)}, ${quoteText(position)})
     on duplicate key update position = values(position), applied_at = current_timestamp(6)`,
  )
}

function isWorthAnother(error: unknown): boolean {
  const reason = error instanceof ApplyRefusedError ? error.reason : errorCode(error)
  return ['ER_LOCK_DEADLOCK', 'ER_LOCK_WAIT_TIMEOUT', 'ER_CHECKREAD'].includes(reason)
}

async function applyChanges(
  session: Session,
  changes: readonly Change[],
  layoutOf: (table: MovedTable) => Layout,
): Promise<void> {
  for (let at = 0; at < changes.length;) {
    const first = changes[at] as Change
    const layout = layoutOf(first.table)
    if (first.kind === 'insert') {
      const end = endOfInserts(changes, at)
      const rows = changes.slice(at, end).map(({ row = [] }) => row)
      for (const part of inParts(rows, atOnce, (row) => row)) await insertRows(session, layout, part)
      at = end
      continue
    }
    await applyOne(session, layout, first)
    at++
  }
}

function endOfInserts(changes: readonly Change[], from: number): number {
  const table = changes[from]?.table
  let end = from + 1
  while (changes[end]?.kind === 'insert' && changes[end]?.table === table) end++
  return end
}

async function applyOne(session: Session, layout: Layout, change: Change): Promise<void> {
  const { kind, key, row } = change
  if (kind === 'truncate') await runFor(session, layout, kind, `delete from ${layout.sql}`)
  else if (kind === 'delete')
    await runFor(session, layout, kind, `delete from ${layout.sql} where ${isKey(layout, key ?? [])}`)
  else if (row && key) await updateOrInsert(session, layout, key, row)
}

async function updateOrInsert(session: Session, layout: Layout, key: Key, row: Row): Promise<void> {
  try {
    if ((await updateRow(session, layout, key, row)) === 0) await insertRow(session, layout, row)
  } catch (error) {
    const isNewKey = layout.keyAt.some((at, place) => row[at] !== key[place])
    if (!(error instanceof ApplyRefusedError) || error.reason !== 'ER_DUP_ENTRY' || !isNewKey) throw error
    // the row has its new key already, from when the log was read before
    await runFor(session, layout, 'delete', `delete from ${layout.sql} where ${isKey(layout, key)}`)
    await insertOrReplace(session, layout, row)
  }
}

async function insertRows(session: Session, layout: Layout, rows: readonly Row[]): Promise<void> {
  const isPlain = rows.every((row) =>
    row.every((value, at) => value !== undefined && !isEmptyLabel(layout.columns[at] as LocalColumn, value)),
  )
  if (rows.length > 1 && isPlain) {
    const values = rows.map(
      (row) => `(${row.map((value, at) => literal(layout.columns[at] as LocalColumn, value ?? null)).join(', ')})`,
    )
    try {
      await session.run(
        `insert into ${layout.sql} (${layout.columns.map(({ sql }) => sql).join(', ')}) values ${values.join(', ')}`,
      )
      return
    } catch (error) {
      // one of them is there already, or is refused: by itself each shows what it is
      if (['ER_LOCK_DEADLOCK', 'ER_LOCK_WAIT_TIMEOUT'].includes(errorCode(error)) || isFatal(error)) throw error
    }
  }
  for (const row of rows) await insertOrReplace(session, layout, row)
}

function isFatal(error: unknown): boolean {
  return (error as { fatal?: boolean }).fatal === true || error instanceof MariadbConnectError
}

/** A row that is there already becomes the new one. */
async function insertOrReplace(session: Session, layout: Layout, row: Row): Promise<void> {
  try {
    await insertRow(session, layout, row)
  } catch (error) {
    if (!(error instanceof ApplyRefusedError) || error.reason !== 'ER_DUP_ENTRY') throw error
    const key = layout.keyAt.map((at) => row[at] as string)
    // found by another unique key: that is a conflict, not the same row
    if ((await updateRow(session, layout, key, row)) === 0) throw error
  }
}

async function insertRow(session: Session, layout: Layout, row: Row): Promise<void> {
  if (row.includes(undefined)) throw new ApplyRefusedError(layout.table, 'update', 'the row is not there')
  const columns = layout.columns.map(({ sql }) => sql)
  const values = layout.columns.map((column, at) => literal(column, row[at] ?? null))
  await runFor(
    session,
    layout,
    'insert',
    `insert into ${layout.sql} (${columns.join(', ')}) values (${values.join(', ')})`,
    row,
  )
}

/** Number of rows that have the key. */
function updateRow(session: Session, layout: Layout, key: Key, row: Row): Promise<number> {
  const sets = layout.columns.flatMap((column, at) => {
    const value = row[at]
    return value === undefined ? [] : [`${column.sql} = ${literal(column, value)}`]
  })
  return runFor(
    session,
    layout,
    'update',
    `update ${layout.sql} set ${sets.join(', ')} where ${isKey(layout, key)}`,
    row,
  )
}

function isKey(layout: Layout, key: Key): string {
  return layout.key.map((column, at) => `${column.sql} = ${literal(column, key[at] ?? null)}`).join(' and ')
}

/** The server's own message would show the value. */
async function runFor(session: Session, layout: Layout, kind: string, sql: string, row: Row = []): Promise<number> {
  const hasEmptyLabel = row.some((value, at) => isEmptyLabel(layout.columns[at] as LocalColumn, value))
  try {
    if (!hasEmptyLabel) return await session.run(sql)
    await session.run(`set session sql_mode = '${lenient}'`)
    const found = await session.run(sql)
    await session.run(`set session sql_mode = '${strict}'`)
    return found
  } catch (error) {
    if (errorCode(error) === tooLong) throw new RowTooLongError(layout.table, { cause: error })
    if (isFatal(error)) throw error
    throw new ApplyRefusedError(layout.table, kind, errorCode(error))
  }
}
