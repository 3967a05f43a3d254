import type { MovedColumn, MovedTable, TableName } from '../model.ts'
import { parseSourceType, typeFamily, type SourceType, type TypeFamily } from '../types/source-type.ts'
import { SourceTableChangedError } from './errors.ts'
import type { Session } from './session.ts'
import { quoteName, quoteTable, quoteText } from './sql-text.ts'

/** A moved table as it is on this server. */
export interface Layout {
  readonly moved: MovedTable
  readonly table: TableName
  /** Quoted. */
  readonly sql: string
  /** In the order of the row. */
  readonly columns: readonly LocalColumn[]
  /** In the order of the key. */
  readonly key: readonly LocalColumn[]
  /** Positions of the key's columns in a row. */
  readonly keyAt: readonly number[]
  /** All columns of the table, also those that are not moved, in the order of the binlog; -1 for them, else the place in the row. */
  readonly places: readonly number[]
}

export interface LocalColumn {
  readonly moved: MovedColumn
  /** Quoted. */
  readonly sql: string
  readonly type: SourceType
  readonly family: TypeFamily
  /** Type on PostgreSQL without length: `boolean`, `time`, `interval`, `text[]`. */
  readonly target: string
  /** Character set of texts, null for other types. */
  readonly charset: string | null
  readonly collation: string | null
  readonly notNull: boolean
}

/** Looks tables up. @throws SourceTableChangedError when one is not as the move knows it */
export async function readLayouts(session: Session, tables: readonly MovedTable[]): Promise<Map<MovedTable, Layout>> {
  if (tables.length === 0) return new Map()
  const names = tables.map(({ source }) => `(${quoteText(source.schema)}, ${quoteText(source.name)})`)
  const rows = await session.rows(
    `select table_schema, table_name, column_name, column_type, character_set_name, is_nullable, collation_name
       from information_schema.columns where (table_schema, table_name) in (${names.join(', ')})
      order by table_schema, table_name, ordinal_position`,
  )
  return new Map(
    tables.map((moved) => {
      const { schema, name } = moved.source
      return [
        moved,
        layoutOf(
          moved,
          rows.filter(([s, t]) => s === schema && t === name),
        ),
      ]
    }),
  )
}

function layoutOf(moved: MovedTable, rows: readonly (string | null)[][]): Layout {
  const table = moved.source
  if (rows.length === 0) throw new SourceTableChangedError(table, 'the table does not exist')
  const columns = moved.columns.map((column): LocalColumn => {
    const row = rows.find(([, , name]) => name === column.name)
    if (!row) throw new SourceTableChangedError(table, `the column '${column.name}' does not exist`)
    const [, , , typeNow, charset = null, nullable, collation = null] = row
    if (!isSameType(column.sourceType, typeNow ?? '')) {
      throw new SourceTableChangedError(table, `the type of '${column.name}' has changed`)
    }
    const type = parseSourceType(column.sourceType)
    const family = typeFamily(type)
    if (family === null) throw new SourceTableChangedError(table, `the type of '${column.name}' cannot be moved`)
    return {
      moved: column,
      sql: quoteName(column.name),
      type,
      family,
      target: column.targetType.replace(/\s*\([^)]*\)/, ''),
      charset,
      collation,
      notNull: nullable === 'NO',
    }
  })
  const keyAt = moved.key.map((name) => moved.columns.findIndex((column) => column.name === name))
  return {
    moved,
    table,
    sql: quoteTable(table),
    columns,
    keyAt,
    key: keyAt.map((at) => columns[at] as LocalColumn),
    places: rows.map(([, , name]) => moved.columns.findIndex((column) => column.name === name)),
  }
}

function isSameType(planned: string, now: string): boolean {
  return planned === now || (planned === 'json' && now === 'longtext')
}
