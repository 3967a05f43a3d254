import { createHash } from 'node:crypto'
import { tableId, type MovedTable } from '../model.ts'
import type { Side, TableStorage } from '../side.ts'

/** A hash per table of itself and the names and types of its columns and key: another one when it was altered or exchanged. */
export async function tableFingerprints(
  side: Side,
  tables: readonly MovedTable[],
  storage: Readonly<Record<string, TableStorage>>,
): Promise<Record<string, string>> {
  const { tables: all } = await side.catalog()
  const byName = new Map(all.map((table) => [tableId(table), table]))
  return Object.fromEntries(
    tables.map(({ source }) => {
      const name = tableId(source)
      const table = byName.get(name)
      const columns = table?.columns.map(({ name: column, type, nullable }) => [column, type, nullable])
      const text = JSON.stringify([columns, table?.primaryKey, storage[name]?.identity])
      return [name, createHash('sha256').update(text).digest('hex').slice(0, 16)]
    }),
  )
}
