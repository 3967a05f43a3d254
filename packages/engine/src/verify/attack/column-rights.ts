import type { Table } from '../../catalog/model.ts'
import type { Scene } from './scene.ts'
import { writableColumns } from './targets.ts'

/** Columns that a role may use where it has no right on the table itself; null where it has, or has none at all. */
export interface ColumnRights {
  readonly select: string | null
  /** A column that may be changed, with the value that leaves it as it is, or else resets it. Quoted by the caller. */
  readonly update: { readonly column: string; readonly readable: boolean } | null
}

export function columnRights(table: Table, role: string, { memberships }: Scene): ColumnRights {
  const roles = memberships.get(role) ?? new Set([role])
  if (roles.has(table.owner ?? '')) return { select: null, update: null }
  const grants = table.grants.filter(({ grantee }) => grantee === 'public' || roles.has(grantee))
  const byColumn = (privilege: string) =>
    grants.flatMap(({ privilege: granted, column }) => (granted.toLowerCase() === privilege ? [column] : []))
  const [reads, writes] = [byColumn('select'), byColumn('update')]
  const isReadable = (column: string) => reads.includes(null) || reads.includes(column)
  const names = writableColumns(table).filter((column) => writes.includes(column))
  // an update to the same value breaks no constraint, one to the default of a column that has one breaks few
  const ranked = names.toSorted((a, b) => rank(a) - rank(b))
  const [column] = writes.includes(null) ? [] : ranked
  return {
    select: reads.includes(null) ? null : (reads[0] ?? null),
    update: column === undefined ? null : { column, readable: isReadable(column) },
  }

  function rank(name: string): number {
    const definition = table.columns.get(name)
    if (isReadable(name)) return 0
    return definition?.notNull === false || definition?.default !== null ? 1 : 2
  }
}
