import type { TableName } from '../model.ts'
import type { Session } from './session.ts'
import { quoteText } from './sql-text.ts'

export interface KeyColumn {
  readonly name: string
  readonly type: string
  /** Null for types that are no texts. */
  readonly charset: string | null
  readonly collation: string | null
  readonly isAscending: boolean
}

/**
 * The primary key by which InnoDB stores the rows; null without one, where parts of columns are its key, and for a partitioned table.
 * Tables are named by constants alone: joined by their names the server would look at all of them, and clients wait for the fence.
 */
export async function storedBy(session: Session, { schema, name }: TableName): Promise<KeyColumn[] | null> {
  const rows = await session.rows(
    `select c.column_name, c.column_type, c.character_set_name, c.collation_name, s.collation = 'A', s.sub_part
       from information_schema.tables t
       join information_schema.statistics s
       join information_schema.columns c on c.column_name = s.column_name
      where t.table_schema = ${quoteText(schema)} and t.table_name = ${quoteText(name)} and t.engine = 'InnoDB'
        and t.create_options not like '%partitioned%'
        and s.table_schema = ${quoteText(schema)} and s.table_name = ${quoteText(name)} and s.index_name = 'PRIMARY'
        and c.table_schema = ${quoteText(schema)} and c.table_name = ${quoteText(name)}
      order by s.seq_in_index`,
  )
  if (rows.length === 0 || rows.some(([, , , , , prefix]) => prefix !== null)) return null
  return rows.map(([column, type, charset = null, collation = null, isAscending]) => ({
    name: column ?? '',
    type: type ?? '',
    charset,
    collation,
    isAscending: isAscending === '1',
  }))
}
