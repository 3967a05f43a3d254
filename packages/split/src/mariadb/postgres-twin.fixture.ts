import { connect, type Database } from '@imhotep/postgres'
import type { MovedTable } from '../model.ts'
import { doubleTextOnPostgres } from '../types/double-text.ts'
import { emptyDatabase } from '../../../../tests/support/database.ts'

const settings = `set timezone = 'UTC'; set datestyle = 'ISO'; set extra_float_digits = 1; set bytea_output = 'hex'`

/** The table on PostgreSQL, and what a PostgreSQL side would say of it. */
export interface Twin extends AsyncDisposable {
  readonly database: Database
  load(text: Buffer): Promise<void>
  digests(): Promise<string[][]>
  rangeDigest(): Promise<string>
}

export async function postgresTwin(table: MovedTable): Promise<Twin> {
  const empty = await emptyDatabase()
  const database = connect(empty.url)
  const name = `"${table.target.name}"`
  const columns = table.columns.map(
    (column) => `"${column.name}" ${column.targetType}${column.nullable ? '' : ' not null'}`,
  )
  await database.query(`create table ${name} (${columns.join(', ')})`)
  const values = table.columns.map(({ name: column, sourceType, targetType }) =>
    digestOf(`"${column}"`, sourceType, targetType),
  )
  const key = table.key.map((column) => `"${column}"`).join(', ')
  const select = async <T>(sql: string) => {
    const connection = await database.dedicated()
    try {
      await connection.script(settings)
      return await connection.query<T>(sql)
    } finally {
      await connection.release()
    }
  }
  const nulls = table.columns.map(({ name: column }) => `("${column}" is null)::int`).join(', ')
  return {
    database,
    load: (text) => database.copyFrom(`copy ${name} from stdin`, [text]),
    digests: async () => {
      const digests = table.columns.map(
        ({ name: column }, at) => `case when "${column}" is null then '' else md5(concat(${values[at]})) end`,
      )
      const rows = await select<{ d: string[] }>(
        `select array[${digests.join(', ')}] as d from ${name} order by ${key}`,
      )
      return rows.map(({ d }) => d)
    },
    rangeDigest: async () => {
      const row = `concat_ws(E'\\x1f', ${values.join(', ')}, concat(${nulls}))`
      const [found] = await select<{ d: string }>(
        `select md5(coalesce(string_agg(${row}, E'\\n' order by ${key}), '')) as d from ${name}`,
      )
      return found?.d ?? ''
    },
    [Symbol.asyncDispose]: async () => {
      await database.close()
      await empty.drop()
    },
  }
}

function digestOf(sql: string, sourceType: string, targetType: string): string {
  if (targetType === 'boolean') return `${sql}::int`
  if (targetType === 'bytea') return /blob/.test(sourceType) ? `md5(${sql})` : `encode(${sql}, 'hex')`
  if (targetType === 'real') return doubleTextOnPostgres(`${sql}::float8`)
  if (targetType === 'double precision') return doubleTextOnPostgres(sql)
  if (targetType.endsWith('with time zone')) return `(${sql} at time zone 'UTC')`
  if (targetType === 'inet') return `host(${sql})`
  if (targetType.endsWith('[]')) return `array_to_string(${sql}, ',')`
  return sql
}

/** So that `await using` closes it: what stays open keeps the database from being dropped. */
export function closing<T extends { close(): Promise<void> }>(opened: T): T & AsyncDisposable {
  return Object.assign(opened, { [Symbol.asyncDispose]: () => opened.close() })
}
