import type { MovedColumn } from '../model.ts'
import { mayBeLong, shortened } from '../types/long-values.ts'
import { doubleTextOnPostgres, inetTextOnPostgres } from '../types/postgres-digest-forms.ts'
import { nullMarks } from '../types/null-marks.ts'
import type { Layout, LocalColumn } from './layout.ts'

/** The kind of server that a value was born on: both sides must write it the same way. */
export type Origin = 'mariadb' | 'postgres'

const unitSeparator = String.raw`E'\x1f'`
/** concat_ws takes 100 arguments. */
const maxArguments = 99

/** The text of a row that is digested: values by a separator, nulls left out, then numbers that tell which are null. */
export function rowText(layout: Layout, origin: Origin): string {
  const { columns, moved } = layout
  const values = columns.map((column, at) => valueText(column, moved.columns[at] as MovedColumn, origin))
  const marks = nullMarks(columns.map((column) => (column.notNull ? null : isNull(column))))
  if (values.length + marks.length <= maxArguments) {
    return `concat_ws(${unitSeparator}, ${[...values, ...marks].join(', ')})`
  }
  // The same without the limit: array_to_string leaves nulls out as well.
  const texts = values.map((value, at) => nullable(columns[at] as LocalColumn, value))
  const numbers = marks.map((mark) => `(${mark})::text`)
  return `array_to_string(array[${[...texts, ...numbers].join(', ')}], ${unitSeparator})`
}

/** A digest a column; empty for null. */
export function columnDigests(layout: Layout, origin: Origin): string {
  const digests = layout.columns.map((column, at) => {
    const value = valueText(column, layout.moved.columns[at] as MovedColumn, origin)
    return `case when ${isNull(column)} then '' else md5(concat(${value})) end`
  })
  return `array[${digests.join(', ')}]`
}

/** A composite value whose fields are all null `is null`, but it is there. */
function isNull({ sql, composite }: LocalColumn): string {
  return composite ? `num_nulls(${sql}) = 1` : `${sql} is null`
}

function nullable(column: LocalColumn, value: string): string {
  return `case when ${isNull(column)} then null else concat(${value}) end`
}

function valueText({ sql, cast }: LocalColumn, { sourceType }: MovedColumn, origin: Origin): string {
  if (origin === 'postgres') return ownText(sql, cast)
  if (mayBeLong(cast, sourceType)) return shortened(`${sql}::text`)
  if (cast === 'boolean') return `${sql}::int`
  if (cast === 'bytea') return /blob/i.test(sourceType) ? `md5(${sql})` : `encode(${sql}, 'hex')`
  if (cast === 'real') return doubleTextOnPostgres(`${sql}::float8`)
  if (cast === 'double precision') return doubleTextOnPostgres(sql)
  if (cast === 'timestamp with time zone') return `(${sql} at time zone 'UTC')`
  if (cast === 'inet') return inetTextOnPostgres(sql)
  if (cast.endsWith('[]')) return `array_to_string(${sql}, ',')`
  return sql
}

function ownText(sql: string, cast: string): string {
  if (cast === 'bytea') return `md5(${sql})`
  return /^(text|character varying|jsonb?|xml|tsvector|.*\[\])$/.test(cast) ? shortened(`${sql}::text`) : sql
}
