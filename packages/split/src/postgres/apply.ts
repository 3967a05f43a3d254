import { DatabaseError, type Connection } from '@imhotep/postgres'
import { inParts } from '../in-parts.ts'
import { keyOfRow } from '../key-of-row.ts'
import type { Change, Key, LogTransaction, MovedTable, Position, Row } from '../model.ts'
import { inBatches, tablesOf } from '../packed-changes.ts'
import { prepareBookkeeping } from './bookkeeping.ts'
import type { Cascades } from './cascade.ts'
import { coalesce, type Outcome, type TableOutcomes } from './coalesce.ts'
import { readLayout, type End, type Layout } from './layout.ts'
import { deleteRows, moveRow, updateRows, upsertRows, type RowStatement } from './row-statements.ts'
import { inTransaction } from './session.ts'

/** Unique indexes and exclusion constraints, which a set of rows may violate on its way to a state that does not. */
const conflicts = ['23505', '23P01']

/** Of one statement: each of its parameters is one text, which has an end. */
const atOnce = { rows: 20_000, characters: 16 * 1024 * 1024 }

/** Applies the log of another database over one connection. */
export class LogWriter {
  readonly #session: Connection
  readonly #end: End
  readonly #cascades: Cascades | undefined
  readonly #layouts = new Map<MovedTable, Layout>()

  constructor(session: Connection, options: { readonly end: End; readonly cascades?: Cascades | undefined }) {
    this.#session = session
    this.#end = options.end
    this.#cascades = options.cascades
  }

  /** The session must stand under a replication origin. See `Side.apply`. */
  async apply(log: string, transactions: readonly LogTransaction[]): Promise<void> {
    const last = transactions.at(-1)
    if (!last) return
    // Before the transaction: an error in it tells of the rows.
    for (const table of tablesOf(transactions)) await this.#layoutOf(table)
    await inTransaction(
      this.#session,
      async () => {
        await this.#session.query(
          `insert into imhotep_split.applied values ($1, $2)
           on conflict (log) do update set position = excluded.position, applied_at = now()`,
          [log, last.position],
        )
        let savepoint = 'savepoint together'
        for (const batch of inBatches(transactions)) {
          await this.#session.script(savepoint)
          await this.#applyTogether(batch)
          savepoint = 'release savepoint together; savepoint together'
        }
      },
      'begin; set local session_replication_role = replica',
    )
  }

  /** Many rows a statement; when that meets a conflict, change by change as it was done over there. Behind a savepoint. */
  async #applyTogether(changes: readonly Change[]): Promise<void> {
    try {
      for (const part of splitAtCascades(changes, this.#cascades)) {
        if (!Array.isArray(part)) await this.#applyOne(part)
        else for (const group of coalesce(part)) await this.#applyGroup(group)
      }
    } catch (error) {
      if (!(error instanceof DatabaseError) || !conflicts.includes(error.sqlstate)) throw error
      await this.#session.script('rollback to savepoint together')
      for (const change of changes) await this.#applyOne(change)
    }
  }

  async #applyGroup(group: TableOutcomes[] | Change): Promise<void> {
    if (!Array.isArray(group)) return this.#applyOne(group)
    // What goes makes room for what comes.
    for (const { table, outcomes } of group) {
      const gone = [...outcomes.values()].filter(({ row }) => row === null).map(({ key }) => key)
      if (gone.length > 0) await this.#run([deleteRows(await this.#layoutOf(table), gone)])
    }
    for (const { table, outcomes } of group) {
      const layout = await this.#layoutOf(table)
      const [whole, parts] = byCompleteness([...outcomes.values()])
      for (const rows of parts.flatMap((part) => inParts(part, atOnce, ({ row }) => row))) {
        await this.#run(updateRows(layout, rows))
      }
      for (const rows of inParts(whole, atOnce, (row) => row)) await this.#run(upsertRows(layout, rows))
    }
  }

  async #applyOne(change: Change): Promise<void> {
    const layout = await this.#layoutOf(change.table)
    const { kind, key, row } = change
    if (kind === 'truncate') return this.#run([{ sql: `delete from ${layout.sql}`, params: [] }])
    if (this.#cascades?.concerns(change)) await this.#cascades.carryOut(this.#session, change)
    if (kind === 'delete') return this.#run([deleteRows(layout, [key as Key])])

    const [old, now] = [key as Key, keyOfRow(change.table, row as Row)]
    const isMoved = kind === 'update' && old.some((value, at) => value !== now[at])
    if ((row as Row).includes(undefined)) {
      return this.#run(isMoved ? moveRow(layout, old, row as Row) : updateRows(layout, [{ key: now, row: row as Row }]))
    }
    if (isMoved) await this.#run([deleteRows(layout, [old])])
    await this.#run(upsertRows(layout, [row as Row]))
  }

  async #run(statements: readonly RowStatement[]): Promise<void> {
    for (const { sql, params } of statements) await this.#session.query(sql, params)
  }

  async #layoutOf(table: MovedTable): Promise<Layout> {
    let layout = this.#layouts.get(table)
    if (!layout) this.#layouts.set(table, (layout = await readLayout(this.#session, table, this.#end)))
    return layout
  }
}

/** Parts that can be applied together, and between them the changes that other rows change with. */
function splitAtCascades(changes: readonly Change[], cascades: Cascades | undefined): (Change[] | Change)[] {
  const parts: (Change[] | Change)[] = []
  for (const change of changes) {
    const last = parts.at(-1)
    if (cascades?.concerns(change)) parts.push(change)
    else if (Array.isArray(last)) last.push(change)
    else parts.push([change])
  }
  return parts
}

/** Rows with all their values, and the others by which values they have. */
function byCompleteness(outcomes: readonly Outcome[]): [Row[], { key: Key; row: Row }[][]] {
  const whole: Row[] = []
  const parts = new Map<string, { key: Key; row: Row }[]>()
  for (const { key, row } of outcomes) {
    if (row === null) continue
    if (!row.includes(undefined)) {
      whole.push(row)
      continue
    }
    const left = row.flatMap((value, at) => (value === undefined ? [at] : [])).join()
    const same = parts.get(left) ?? []
    same.push({ key, row })
    parts.set(left, same)
  }
  return [whole, [...parts.values()]]
}

export async function readApplied(session: Connection, log: string): Promise<Position | null> {
  await prepareBookkeeping(session)
  const [row] = await session.query<{ position: Position }>(
    'select position from imhotep_split.applied where log = $1',
    [log],
  )
  return row?.position ?? null
}

/** So that another move under the same name begins anew. */
export async function forgetApplied(session: Connection, log: string): Promise<void> {
  await prepareBookkeeping(session)
  await session.query('delete from imhotep_split.applied where log = $1', [log])
}
