import type { Connection } from '@imhotep/postgres'
import type { Change, TableName, Value } from '../model.ts'
import type { OwnedForeignKey } from '../side.ts'
import { arrayLiteral } from './row-statements.ts'
import { identifier, qualified } from './sql-text.ts'

/** Values of the columns that a foreign key points to. */
type Pointed = readonly (string | null)[]

const actions = ['cascade', 'set null', 'set default']

/**
 * What foreign keys do to other rows when a row is deleted or gets another key. MariaDB does it below its log, so whoever
 * applies that log does it as well; PostgreSQL's log holds it.
 */
export class Cascades {
  readonly #byParent = new Map<string, OwnedForeignKey[]>()
  readonly #casts = new Map<string, ReadonlyMap<string, string>>()

  /** Foreign keys by the names of this database. */
  constructor(keys: readonly OwnedForeignKey[]) {
    for (const key of keys) {
      if (!actions.includes(key.onDelete) && !actions.includes(key.onUpdate)) continue
      const parent = nameOf(key.references)
      this.#byParent.set(parent, [...(this.#byParent.get(parent) ?? []), key])
    }
  }

  /** Whether other rows may change with this one. */
  concerns(change: Change): boolean {
    if (change.withoutCascade) return false
    return this.#pointingTo(change.table.target).some((key) => {
      if (change.kind === 'delete') return actions.includes(key.onDelete)
      return change.kind === 'update' && actions.includes(key.onUpdate) && isMoved(change, key)
    })
  }

  /** Changes the rows that point to the row of `change`. */
  async carryOut(session: Connection, change: Change): Promise<void> {
    for (const key of this.#pointingTo(change.table.target)) {
      const old = pointed(change, key, before)
      if (old.includes(null)) continue
      if (change.kind === 'delete') await this.#parentsDeleted(session, key, [old])
      else if (isMoved(change, key)) await this.#parentMoved(session, key, old, pointed(change, key, after))
    }
  }

  async #parentsDeleted(session: Connection, key: OwnedForeignKey, parents: readonly Pointed[]): Promise<void> {
    if (parents.length === 0 || !actions.includes(key.onDelete)) return
    const casts = await this.#castsOf(session, key.table)
    const values = key.columns.map((_, at) => arrayLiteral(parents.map((parent) => parent[at])))
    const from = `unnest(${values.map((_, at) => `$${at + 1}::text[]`).join(', ')}) as s(${values.map((_, at) => `v${at}`).join(', ')})`
    const where = key.columns.map((name, at) => `c.${identifier(name)} = s.v${at}::${casts.get(name)}`).join(' and ')
    const child = qualified(key.table)
    if (key.onDelete !== 'cascade') {
      await session.query(`update ${child} c set ${clear(key, key.onDelete)} from ${from} where ${where}`, values)
      return
    }

    const below = this.#pointingTo(key.table)
    const names = [...new Set(below.flatMap(({ references }) => references.columns))]
    const gone = await session.query<Record<string, string | null>>(
      `delete from ${child} c using ${from} where ${where} ${returning(names)}`,
      values,
    )
    for (const next of below) {
      const rows = gone.map((row) => next.references.columns.map((name) => row[name] ?? null))
      await this.#parentsDeleted(
        session,
        next,
        rows.filter((row) => !row.includes(null)),
      )
    }
  }

  async #parentMoved(session: Connection, key: OwnedForeignKey, old: Pointed, now: Pointed): Promise<void> {
    if (!actions.includes(key.onUpdate)) return
    const casts = await this.#castsOf(session, key.table)
    const term = (name: string, number: number) => `${identifier(name)} = ($${number}::text)::${casts.get(name)}`
    const where = key.columns.map((name, at) => term(name, at + 1)).join(' and ')
    if (key.onUpdate !== 'cascade') {
      await session.query(`update ${qualified(key.table)} set ${clear(key, key.onUpdate)} where ${where}`, old)
      return
    }

    const below = this.#pointingTo(key.table).filter(({ references }) =>
      references.columns.some((name) => key.columns.includes(name)),
    )
    const names = [...new Set(below.flatMap(({ references }) => references.columns))]
    const moved = await session.query<Record<string, string | null>>(
      `update ${qualified(key.table)} as c set ${key.columns.map((name, at) => term(name, old.length + at + 1)).join(', ')}
        where ${where} ${returning(names)}`,
      [...old, ...now],
    )
    for (const next of below) {
      for (const row of moved) {
        const valueOf = (name: string, values: Pointed) => {
          const at = key.columns.indexOf(name)
          return (at < 0 ? row[name] : values[at]) ?? null
        }
        const from = next.references.columns.map((name) => valueOf(name, old))
        const to = next.references.columns.map((name) => valueOf(name, now))
        await this.#parentMoved(session, next, from, to)
      }
    }
  }

  #pointingTo(table: TableName): readonly OwnedForeignKey[] {
    return this.#byParent.get(nameOf(table)) ?? []
  }

  /** Types of a table's columns by name. */
  async #castsOf(session: Connection, table: TableName): Promise<ReadonlyMap<string, string>> {
    const known = this.#casts.get(nameOf(table))
    if (known) return known
    const rows = await session.query<{ name: string; cast: string }>(
      `select attname as name, format_type(atttypid, -1) as cast from pg_attribute
        where attrelid = to_regclass($1) and attnum > 0 and not attisdropped`,
      [qualified(table)],
    )
    const casts = new Map(rows.map(({ name, cast }) => [name, cast]))
    this.#casts.set(nameOf(table), casts)
    return casts
  }
}

const nameOf = ({ schema, name }: TableName) => JSON.stringify([schema, name])

function isMoved(change: Change, key: OwnedForeignKey): boolean {
  const now = pointed(change, key, after)
  return pointed(change, key, before).some((value, at) => value !== now[at])
}

function pointed(change: Change, key: OwnedForeignKey, side: (change: Change, name: string) => Value): Pointed {
  return key.references.columns.map((name) => side(change, name) ?? null)
}

function before(change: Change, name: string): Value {
  const { table, before: row, key } = change
  const value = row?.[table.columns.findIndex((column) => column.name === name)]
  return value === undefined ? key?.[table.key.indexOf(name)] : value
}

/** What the log left out did not change. */
function after(change: Change, name: string): Value {
  const value = change.row?.[change.table.columns.findIndex((column) => column.name === name)]
  return value === undefined ? before(change, name) : value
}

function clear({ columns }: OwnedForeignKey, action: string): string {
  return columns.map((name) => `${identifier(name)} = ${action === 'set null' ? 'null' : 'default'}`).join(', ')
}

function returning(names: readonly string[]): string {
  if (names.length === 0) return ''
  return `returning ${names.map((name) => `c.${identifier(name)}::text as ${identifier(name)}`).join(', ')}`
}
