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

/** The primary key by which InnoDB stores the rows; null without one, where parts of columns are its key, and for a partitioned table. */
export async function storedBy(session: Session, { schema, name }: TableName): Promise<KeyColumn[] | null> {
  const rows = await session.rows(
    `select c.column_name, c.column_type, c.character_set_name, c.collation_name, s.collation = 'A', s.sub_part
       from information_schema.tables t
       join information_schema.statistics s on s.table_schema = t.table_schema and s.table_name = t.table_name
       join information_schema.columns c on c.table_schema = t.table_schema and c.table_name = t.table_name
            and c.column_name = s.column_name
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
