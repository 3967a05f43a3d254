import { randomInt, randomUUID } from 'node:crypto'
import type { Catalog, Table } from '../../catalog/model.ts'

/** An id that no row has, for a column of that type; null for a type that we cannot make one for. */
export function madeUpId(type: string, catalog: Catalog): string | null {
  const base = baseTypeOf(type, catalog)
  const [, length] = /^character varying\((\d+)\)$/.exec(base) ?? []
  if (base === 'uuid' || base === 'text' || base === 'character varying') return randomUUID()
  if (length !== undefined) return randomUUID().slice(0, Number(length))
  if (base === 'smallint') return String(randomInt(30_000, 32_767))
  return /^(integer|bigint|numeric)/.test(base) ? String(randomInt(1_500_000_000, 2_147_483_647)) : null
}

/** A new `id` for a copy of a row; nothing where the table has no such column or the server makes it. */
export function freshId(table: Table, catalog: Catalog): Readonly<Record<string, string>> {
  const column = table.columns.get('id')
  const id = column && column.identity !== 'always' && column.generated === null ? madeUpId(column.type, catalog) : null
  return id === null ? {} : { id }
}

/** What a domain, or a domain over a domain, stands on. */
export function baseTypeOf(type: string, catalog: Catalog): string {
  const own = catalog.types.get(type)
  return own?.kind === 'domain' && own.base !== null ? baseTypeOf(own.base, catalog) : type
}
