import type { OwnedTable } from '../map/owner-map.ts'
import type { MovedTable } from '../model.ts'
import { derivePostgresSchema } from '../postgres/derive.ts'
import type { Dialect } from './plan-split.ts'

/** Tables of PostgreSQL go as they are. */
export function postgresDialect(url: string): Dialect {
  return {
    kind: 'postgres',
    moved: async (tables) => ({ tables: tables.map(asItIs), findings: [] }),
    async schema(tables, copies) {
      const {
        tables: create,
        keys,
        leftOut,
      } = await derivePostgresSchema(
        url,
        tables.map(({ source }) => source),
      )
      const copyless = copies.map(({ source }) => ({
        object: `copy of ${source.schema}.${source.name}`,
        reason: 'copies are made for tables that come from MariaDB',
      }))
      return { schema: { tables: create, keys, copies: null }, leftOut: [...leftOut, ...copyless] }
    },
  }
}

function asItIs({ table, key }: OwnedTable): MovedTable {
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
