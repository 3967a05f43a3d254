import { AmbiguousKeyError } from '../errors.ts'
import type { OwnedTable } from '../map/owner-map.ts'
import { tableId, type MovedTable } from '../model.ts'
import { derivePostgresSchema } from '../postgres/derive.ts'
import { withSession } from '../postgres/session.ts'
import { identifier, qualified } from '../postgres/sql-text.ts'
import type { Dialect } from './plan-split.ts'

/** Tables of PostgreSQL go as they are. */
export function postgresDialect(url: string): Dialect {
  return {
    kind: 'postgres',
    async moved(tables) {
      await checkDeclaredKeys(url, tables)
      return { tables: tables.map(asItIs), findings: [] }
    },
    async schema(tables, copies) {
      const names = (list: readonly MovedTable[]) => list.map(({ source }) => source)
      const { leftOut, ...schema } = await derivePostgresSchema(url, names(tables), names(copies))
      return { schema, leftOut }
    },
  }
}

async function checkDeclaredKeys(url: string, tables: readonly OwnedTable[]): Promise<void> {
  const declared = tables.filter(({ table }) => table.primaryKey.length === 0)
  if (declared.length === 0) return
  const twice: string[] = []
  await withSession(url, async (session) => {
    for (const { table, key } of declared) {
      const columns = key.map(identifier).join(', ')
      const [row] = await session.query<{ rows: string }>(
        `select coalesce(sum(same - 1), 0)::text as rows
           from (select count(*) as same from ${qualified(table)} group by ${columns}) as keys`,
      )
      if (row && row.rows !== '0') twice.push(`${tableId(table)} (${key.join(', ')}): ${row.rows} rows`)
    }
  })
  if (twice.length > 0) throw new AmbiguousKeyError(twice)
}

/** A table that keeps its name, its columns and their types. */
export function asItIs({ table, key }: Pick<OwnedTable, 'table' | 'key'>): MovedTable {
  const name = { schema: table.schema, name: table.name }
  return {
    source: name,
    target: name,
    key,
    columns: table.columns
      .filter(({ generated }) => generated === null)
      .map((column) => ({
        name: column.name,
        sourceType: column.type,
        targetType: column.type,
        nullable: column.nullable,
      })),
  }
}
