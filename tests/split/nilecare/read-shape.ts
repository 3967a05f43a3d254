import type { Connection, RowDataPacket } from 'mysql2/promise'

export interface FixtureTable {
  readonly name: string
  readonly columns: readonly FixtureColumn[]
  readonly primaryKey: readonly string[]
  readonly foreignKeys: readonly FixtureKey[]
}

export interface FixtureColumn {
  readonly name: string
  readonly type: string
  readonly nullable: boolean
  readonly generated: boolean
  readonly automatic: boolean
  /** Alone in a unique key. */
  readonly unique: boolean
  readonly json: boolean
  readonly ascii: boolean
  readonly zeroDate: boolean
}

export interface FixtureKey {
  readonly name: string
  readonly columns: readonly string[]
  readonly table: string
  readonly references: readonly string[]
}

/** What the generator must know of the tables, from the database itself. */
export async function readShape(connection: Connection): Promise<ReadonlyMap<string, FixtureTable>> {
  const columns = await rows(
    connection,
    `select table_name t, column_name c, column_type type, is_nullable = 'YES' nullable, extra,
            character_set_name = 'ascii' ascii, collation_name = 'utf8mb4_bin' and data_type = 'longtext' json,
            coalesce(column_default, '') like '%0000-00-00%' zero
       from information_schema.columns where table_schema = database() order by table_name, ordinal_position`,
  )
  const keys = await rows(
    connection,
    `select table_name t, index_name k, group_concat(column_name order by seq_in_index) cs
       from information_schema.statistics where table_schema = database() and non_unique = 0 group by 1, 2`,
  )
  const foreign = await rows(
    connection,
    `select table_name t, constraint_name k, referenced_table_name rt,
            group_concat(column_name order by ordinal_position) cs,
            group_concat(referenced_column_name order by ordinal_position) rcs
       from information_schema.key_column_usage
      where table_schema = database() and referenced_table_name is not null group by 1, 2, 3 order by 1, 2`,
  )
  const unique = new Set(keys.map(({ t, cs }) => `${t}.${cs}`))
  const names = new Set(foreign.map(({ t }) => String(t)).concat(columns.map(({ t }) => String(t))))
  return new Map(
    [...names].map((name) => [
      name,
      {
        name,
        primaryKey: String(keys.find(({ t, k }) => t === name && k === 'PRIMARY')?.['cs'] ?? '').split(','),
        columns: columns.filter(({ t }) => t === name).map((row) => columnOf(row, unique)),
        foreignKeys: foreign
          .filter(({ t }) => t === name)
          .map(({ k, rt, cs, rcs }) => ({
            name: String(k),
            columns: String(cs).split(','),
            table: String(rt),
            references: String(rcs).split(','),
          })),
      },
    ]),
  )
}

function columnOf(row: RowDataPacket, unique: ReadonlySet<string>): FixtureColumn {
  return {
    name: String(row['c']),
    type: String(row['type']),
    nullable: Boolean(row['nullable']),
    generated: /GENERATED/.test(String(row['extra'])),
    automatic: String(row['extra']).includes('auto_increment'),
    unique: unique.has(`${row['t']}.${row['c']}`),
    json: Boolean(row['json']),
    ascii: Boolean(row['ascii']),
    zeroDate: Boolean(row['zero']),
  }
}

async function rows(connection: Connection, sql: string): Promise<RowDataPacket[]> {
  const [found] = await connection.query<RowDataPacket[]>(sql)
  return found
}
