import type { Change, Key, LogTransaction, MovedTable, TableName, Value } from '../model.ts'
import { PackedChanges } from '../packed-changes.ts'
import { ChangeWithoutKeyError, MovedTableAlteredError } from './errors.ts'
import type { End } from './layout.ts'
import { numberToLsn } from './lsn.ts'
import { decodeMessage, type LogMessage, type LogRelation, type OldRow } from './pgoutput.ts'

/** Beginning of the names under which `apply` writes: what it wrote must not come back. */
export const originPrefix = 'imhotep_split_'

/** How a relation of the log fits a moved table. */
interface Mapping {
  readonly table: MovedTable
  readonly relation: LogRelation
  /** For each column of a row its place in the log's tuple. */
  readonly at: readonly number[]
  readonly keyAt: readonly number[]
}

/** Puts the messages of the log together to transactions. */
export class LogDecoder {
  readonly #tables: ReadonlyMap<string, MovedTable>
  readonly #end: End
  readonly #mappings = new Map<number, Mapping | null>()
  #changes = new PackedChanges()
  #committedAt = new Date(0)
  #isOurs = false

  constructor(tables: readonly MovedTable[], end: End) {
    this.#tables = new Map(tables.map((table) => [nameOf(table[end]), table]))
    this.#end = end
  }

  /** Takes the next message, and returns the transaction that it completes. */
  take(buffer: Buffer): LogTransaction | undefined {
    const message = decodeMessage(buffer)
    switch (message.kind) {
      case 'begin':
        this.#changes = new PackedChanges()
        this.#committedAt = message.committedAt
        this.#isOurs = false
        return undefined
      case 'origin':
        this.#isOurs = message.name.startsWith(originPrefix)
        return undefined
      case 'relation':
        this.#mappings.set(message.relation.id, this.#map(message.relation))
        return undefined
      case 'commit':
        return { position: numberToLsn(message.end), committedAt: this.#committedAt, changes: this.#changes }
      case 'other':
        return undefined
      default:
        if (!this.#isOurs) this.#addChanges(message)
        return undefined
    }
  }

  /** Between transactions of the log nothing is put together that a position could fall into. */
  #addChanges(message: Extract<LogMessage, { kind: 'insert' | 'update' | 'delete' | 'truncate' }>): void {
    if (message.kind === 'truncate') {
      for (const id of message.relations) {
        const mapping = this.#mappings.get(id)
        if (mapping) this.#changes.push({ table: mapping.table, kind: 'truncate' })
      }
      return
    }
    const mapping = this.#mappings.get(message.relation)
    if (!mapping) return
    this.#changes.push(toChange(mapping, message))
  }

  /** @throws MovedTableAlteredError when columns are not what they were when the move was planned, or since the last time */
  #map(relation: LogRelation): Mapping | null {
    const table = this.#tables.get(nameOf(relation))
    if (!table) return null
    const at = table.columns.map(({ name }) => {
      const found = relation.columns.findIndex((column) => column.name === name)
      if (found < 0) throw new MovedTableAlteredError(table[this.#end], `column '${name}' is gone`)
      return found
    })
    const added = relation.columns.find(({ name }) => table.columns.every((column) => column.name !== name))
    if (added) throw new MovedTableAlteredError(table[this.#end], `column '${added.name}' is new`)
    const before = [...this.#mappings.values()].find((mapping) => mapping?.table === table)?.relation
    for (const { name, type, modifier } of relation.columns) {
      const old = before?.columns.find((column) => column.name === name)
      if (old && (old.type !== type || old.modifier !== modifier)) {
        throw new MovedTableAlteredError(table[this.#end], `column '${name}' has another type`)
      }
    }
    return { table, relation, at, keyAt: table.key.map((name) => table.columns.findIndex((c) => c.name === name)) }
  }
}

function nameOf({ schema, name }: TableName): string {
  return JSON.stringify([schema, name])
}

function toChange(mapping: Mapping, message: Extract<LogMessage, { kind: 'insert' | 'update' | 'delete' }>): Change {
  const { table, at } = mapping
  const inOrder = (values: readonly Value[]) => at.map((place) => values[place])
  if (message.kind === 'insert') return { table, kind: 'insert', row: inOrder(message.row) }
  if (message.kind === 'delete') {
    const before = inOrder(message.old.values)
    return { table, kind: 'delete', key: keyOf(mapping, before), ...complete(message.old, before) }
  }
  const row = inOrder(message.row)
  if (message.old === null) return { table, kind: 'update', key: keyOf(mapping, row), row }

  const before = inOrder(message.old.values)
  const filled = row.map((value, place) => {
    const isKnown = message.old?.complete || mapping.keyAt.includes(place)
    return value === undefined && isKnown ? before[place] : value
  })
  return { table, kind: 'update', key: keyOf(mapping, before), row: filled, ...complete(message.old, before) }
}

function complete(old: OldRow, before: readonly Value[]): { before?: readonly Value[] } {
  return old.complete ? { before } : {}
}

/** @throws ChangeWithoutKeyError when the table's replica identity is not its key */
function keyOf({ table, keyAt }: Mapping, row: readonly Value[]): Key {
  return keyAt.map((place) => {
    const value = row[place]
    if (value == null) throw new ChangeWithoutKeyError(table.source)
    return value
  })
}
