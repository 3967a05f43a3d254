import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Change, Key, LogTransaction, MovedTable, Position, Row } from '../model.ts'
import type { LogReader, RangeDigest, ServiceDatabase, Snapshot } from '../side.ts'

/** A database server of the model: what survives the death of the process that works with it. */
export class ModelServer {
  readonly rows = new Map<string, Row>()
  readonly log: { position: number; changes: Change[]; byApplier: boolean }[] = []
  readonly applied = new Map<string, Position>()
  readonly openLogs = new Map<string, Position>()
  exists = true
  isFenced = false
  hasForeignKeys = true
  isSetAside = false
  /** Has what `prepareSequences` made. */
  isPrepared = false
  loaded: { rows: number; last: Key | null; complete: boolean } = { rows: 0, last: null, complete: false }

  /** A client's write. False: it was refused. */
  write(table: MovedTable, changes: readonly { readonly key: string; readonly row: Row | null }[]): boolean {
    if (this.isFenced || !this.exists || this.isSetAside) return false
    this.commit(
      changes.map(({ key, row }): Change => {
        if (row === null) return { table, kind: 'delete', key: [key] }
        return this.rows.has(key) ? { table, kind: 'update', key: [key], row } : { table, kind: 'insert', row }
      }),
      false,
    )
    return true
  }

  commit(changes: readonly Change[], byApplier: boolean): void {
    for (const { key, row } of changes) {
      if (key) this.rows.delete(key[0] as string)
      if (row) this.rows.set(row[0] as string, row)
    }
    this.log.push({ position: this.log.length + 1, changes: [...changes], byApplier })
  }
}

/** The process died: nothing that it does from now on reaches a server. */
export class Crash extends Error {}

/** A process of the model. It dies at its `crashAt`-th call of a server, before or after the call's effect. */
export class ModelProcess {
  calls = 0
  readonly #crashAt: number
  readonly #onCall: () => void

  constructor(crashAt: number, onCall: () => void) {
    this.#crashAt = crashAt
    this.#onCall = onCall
  }

  get isDead(): boolean {
    return this.calls >= this.#crashAt
  }

  /** Every effect on a server goes through here. */
  async call<T>(effect: () => T): Promise<T> {
    await nextTurn()
    this.step()
    const result = effect()
    this.step()
    return result
  }

  step(): void {
    if (this.isDead) throw new Crash('the process is dead')
    this.calls += 1
    this.#onCall()
    if (this.isDead) throw new Crash('the process died')
  }
}

/** A database of the model as a process sees it. */
export function modelSide(server: ModelServer, process: ModelProcess): ServiceDatabase {
  const position = () => String(server.log.length)
  const snapshot = (): Snapshot => snapshotOf(new Map(server.rows), position(), process)
  return {
    kind: 'postgres',
    label: 'model',
    catalog: () => process.call(() => ({ tables: [], views: [], routines: [], triggers: [] })),
    obstacles: () => process.call(() => []),
    clock: () => process.call(() => new Date()),
    storage: () => process.call(() => ({})),
    comparePositions: (a, b) => Number(a) - Number(b),
    position: () => process.call(position),
    openLog: (log) =>
      process.call(() => {
        const start = server.openLogs.get(log) ?? position()
        server.openLogs.set(log, start)
        return start
      }),
    readLog: (log, from, _tables, signal) => readerOf(server, process, log, from, signal),
    closeLog: (log) => process.call(() => void server.openLogs.delete(log)),
    snapshot: () => process.call(snapshot),
    applied: (log) => process.call(() => server.applied.get(log) ?? null),
    apply: (log, transactions) =>
      process.call(() => {
        server.commit(
          transactions.flatMap(({ changes }) => [...changes]),
          true,
        )
        server.applied.set(log, (transactions.at(-1) as LogTransaction).position)
      }),
    fence: () =>
      process.call(() => {
        server.isFenced = true
        return position()
      }),
    unfence: () =>
      process.call(() => {
        server.isFenced = false
      }),
    prepareSequences: () =>
      process.call(() => {
        server.isPrepared = true
      }),
    unprepareSequences: () =>
      process.call(() => {
        server.isPrepared = false
      }),
    advanceSequences: () => process.call(() => {}),
    setAside: () =>
      process.call(() => {
        server.isSetAside = true
      }),
    dropSetAside: () => process.call(() => {}),
    orphansOf: () => process.call(() => []),
    dropForeignKeys: () =>
      process.call(() => {
        server.hasForeignKeys = false
      }),
    restoreForeignKeys: () =>
      process.call(() => {
        server.hasForeignKeys = true
      }),
    binaryTypes: async () => null,
    load: (table, { data, last, rows }) =>
      process.call(() => {
        const loaded = (JSON.parse(data.toString() || '[]') as Row[]).map((row): Change => ({
          table,
          kind: 'insert',
          row,
        }))
        server.commit(loaded, true)
        const { loaded: before } = server
        server.loaded = { rows: before.rows + rows, last: last ?? before.last, complete: last === null }
      }),
    loaded: () => process.call(() => server.loaded),
    makeKeys: () => process.call(() => {}),
    clear: () =>
      process.call(() => {
        server.rows.clear()
        server.loaded = { rows: 0, last: null, complete: false }
      }),
    orphans: () => process.call(() => []),
    close: async () => {},
  }
}

function snapshotOf(rows: ReadonlyMap<string, Row>, position: Position, process: ModelProcess): Snapshot {
  const sorted = [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const between = (after: Key | null, upto: Key | null) =>
    sorted.filter(([key]) => (!after || key > (after[0] as string)) && (!upto || key <= (upto[0] as string)))
  const digest = (found: [string, Row][]): RangeDigest => {
    const last = found.at(-1)
    const hash = createHash('md5').update(JSON.stringify(found)).digest('hex')
    return { rows: found.length, last: last ? [last[0]] : null, digest: hash }
  }
  return {
    position,
    chunk: (_, after, limit) =>
      process.call(() => {
        const found = between(after, null).slice(0, limit)
        const data = Buffer.from(JSON.stringify(found.map(([, row]) => row)))
        return { rows: found.length, format: 'text', data, last: digest(found).last }
      }),
    binaryTypes: () => null,
    digestNext: (_, after, limit) => process.call(() => digest(between(after, null).slice(0, limit))),
    digestRange: (_, after, upto) => process.call(() => digest(between(after, upto))),
    rowDigests: (_, after, upto) =>
      process.call(() => between(after, upto).map(([key, row]) => ({ key: [key], columns: row.map(String) }))),
    close: async () => {},
  }
}

function readerOf(
  server: ModelServer,
  process: ModelProcess,
  log: string,
  from: Position,
  signal: AbortSignal,
): LogReader {
  async function* read() {
    let at = Number(from)
    while (!signal.aborted) {
      await nextTurn()
      if (process.isDead) throw new Crash('the process is dead')
      if (!server.openLogs.has(log)) throw new Error(`the log ${log} is not open`)
      const next = server.log[at]
      if (next === undefined) {
        yield { position: String(at), committedAt: new Date(), changes: [] }
        continue
      }
      at = next.position
      yield { position: String(at), committedAt: new Date(), changes: next.byApplier ? [] : next.changes }
    }
  }
  return { [Symbol.asyncIterator]: read, confirm: () => {}, close: async () => {} }
}
