import { createHash } from 'node:crypto'
import { tableId, type MovedTable } from '../model.ts'
import type { Side } from '../side.ts'

/** A hash per table of the names and types of its columns and key: it changes when someone alters the table. */
export async function tableFingerprints(side: Side, tables: readonly MovedTable[]): Promise<Record<string, string>> {
  const { tables: all } = await side.catalog()
  const byName = new Map(all.map((table) => [tableId(table), table]))
  return Object.fromEntries(
    tables.map(({ source }) => {
      const name = tableId(source)
      const table = byName.get(name)
      const columns = table?.columns.map(({ name: column, type, nullable }) => [column, type, nullable])
      const text = JSON.stringify([columns, table?.primaryKey])
      return [name, createHash('sha256').update(text).digest('hex').slice(0, 16)]
    }),
  )
}
