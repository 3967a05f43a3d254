import type { Catalog, Column, SourcePosition, Table } from '../model.ts'

/** A NOT NULL constraint that holds for new rows alone (PostgreSQL 18). */
interface Unvalidated {
  readonly constraint: string
  /** Of its column: another table of that name has other columns. */
  readonly position: SourcePosition | undefined
}

/**
 * By `schema.table.column`. They stand beside the catalog, where NOT NULL is a property of the column, as it is when read
 * from a server.
 */
const unvalidated = new WeakMap<Catalog, Map<string, Unvalidated>>()

export function noteUnvalidated(catalog: Catalog, table: Table, { name, position }: Column, constraint: string): void {
  const known = unvalidated.get(catalog) ?? new Map<string, Unvalidated>()
  unvalidated.set(catalog, known.set(keyOf(table, name), { constraint, position }))
}

/** From here on the column is not null throughout, or may be null again. */
export function forgetUnvalidated(catalog: Catalog, table: Table, column: string): void {
  unvalidated.get(catalog)?.delete(keyOf(table, column))
}

/** The name of the constraint by which a column is not null, but for old rows that nobody looked at; null when there is none. */
export function unvalidatedNotNull(catalog: Catalog, table: Table, column: string): string | null {
  const known = unvalidated.get(catalog)?.get(keyOf(table, column))
  return known && known.position === table.columns.get(column)?.position ? known.constraint : null
}

/** The column of such a constraint. */
export function unvalidatedColumn(catalog: Catalog, table: Table, constraint: string): Column | undefined {
  return [...table.columns.values()].find(({ name }) => unvalidatedNotNull(catalog, table, name) === constraint)
}

function keyOf({ schema, name }: Table, column: string): string {
  return `${schema}.${name}.${column}`
}
