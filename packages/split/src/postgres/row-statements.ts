import type { Key, Row, Value } from '../model.ts'
import type { Layout, LocalColumn } from './layout.ts'

/** A statement for many rows at once; each parameter is an array with one value a row. */
export interface RowStatement {
  readonly sql: string
  readonly params: readonly string[]
}

/** Deletes the rows of these keys. */
export function deleteRows(layout: Layout, keys: readonly Key[]): RowStatement {
  const aliases = layout.key.map((_, at) => `k${at}`)
  return {
    sql:
      `delete from ${layout.sql} t using ${unnest(layout.key, aliases)} ` +
      `where ${layout.key.map((column, at) => isSame(column, `s.k${at}`)).join(' and ')}`,
    params: layout.key.map((_, at) => arrayLiteral(keys.map((key) => key[at] as string))),
  }
}

/** Inserts rows, or makes the rows of the same key equal to them. */
export function upsertRows(layout: Layout, rows: readonly Row[]): RowStatement[] {
  const aliases = layout.columns.map((_, at) => `c${at}`)
  const names = layout.columns.map(({ sql }) => sql).join(', ')
  const insert =
    `insert into ${layout.sql} (${names}) overriding system value ` +
    `select ${layout.columns.map(({ cast }, at) => `s.c${at}::${cast}`).join(', ')} from ${unnest(layout.columns, aliases)}`
  const params = layout.columns.map((_, at) => arrayLiteral(rows.map((row) => row[at] as string | null)))
  const others = layout.columns.filter((_, at) => !layout.keyAt.includes(at))
  // A column that is always generated takes a value on its way in only.
  if (!layout.hasKeyIndex || others.some(({ identityAlways }) => identityAlways)) {
    const keys = rows.map((row) => layout.keyAt.map((at) => row[at] as string))
    return [deleteRows(layout, keys), { sql: insert, params }]
  }
  const key = layout.key.map(({ sql }) => sql).join(', ')
  const set = others.map(({ sql }) => `${sql} = excluded.${sql}`).join(', ')
  const action = others.length === 0 ? 'do nothing' : `do update set ${set}`
  return [{ sql: `${insert} on conflict (${key}) ${action}`, params }]
}

/** Sets some columns of the rows of these keys; all rows leave out the same columns. What is always generated cannot be set. */
export function updateRows(layout: Layout, rows: readonly { readonly key: Key; readonly row: Row }[]): RowStatement[] {
  const [first] = rows
  const set = layout.columns.flatMap((column, at) =>
    first?.row[at] === undefined || layout.keyAt.includes(at) || column.identityAlways ? [] : [{ column, at }],
  )
  if (set.length === 0) return []
  const aliases = [...layout.key.map((_, at) => `k${at}`), ...set.map((_, at) => `c${at}`)]
  return [
    {
      sql:
        `update ${layout.sql} t set ${set.map(({ column }, at) => `${column.sql} = s.c${at}::${column.cast}`).join(', ')} ` +
        `from ${unnest([...layout.key, ...set.map(({ column }) => column)], aliases)} ` +
        `where ${layout.key.map((column, at) => isSame(column, `s.k${at}`)).join(' and ')}`,
      params: [
        ...layout.key.map((_, at) => arrayLiteral(rows.map(({ key }) => key[at] as string))),
        ...set.map(({ at }) => arrayLiteral(rows.map(({ row }) => row[at] as string | null))),
      ],
    },
  ]
}

/**
 * Gives a row another key, and the values that the log holds. A row that has the key already was read later than the change
 * was made (a copy that went on under a new snapshot) and is newer: it stays, the old one goes.
 */
export function moveRow(layout: Layout, key: Key, row: Row): RowStatement[] {
  const set = layout.columns.flatMap((column, at) => (row[at] === undefined ? [] : [{ column, value: row[at] }]))
  const values = set.map(({ column }, at) => `${column.sql} = ($${at + 1}::text[])[1]::${column.cast}`)
  const hasKey = (from: number) =>
    layout.key.map((column, at) => isSame(column, `($${from + at}::text[])[1]`)).join(' and ')
  const old = key.map((value) => arrayLiteral([value]))
  const now = layout.keyAt.map((at) => arrayLiteral([row[at]]))
  return [
    {
      sql:
        `delete from ${layout.sql} t where ${hasKey(1)} ` +
        `and exists (select from ${layout.sql} t where ${hasKey(1 + old.length)})`,
      params: [...old, ...now],
    },
    {
      sql: `update ${layout.sql} t set ${values.join(', ')} where ${hasKey(set.length + 1)}`,
      params: [...set.map(({ value }) => arrayLiteral([value])), ...old],
    },
  ]
}

/** The column of the row `t` has this value, a text. */
export function isSame({ sql, cast, order }: LocalColumn, value: string): string {
  // Of another schema than pg_catalog: its operators are not on the search path, its text is.
  const isForeign = order === 'text' && !['text', 'character varying', 'bpchar', 'name'].includes(cast)
  return isForeign ? `t.${sql}::text = ${value}` : `t.${sql} = ${value}::${cast}`
}

function unnest(columns: readonly LocalColumn[], aliases: readonly string[]): string {
  return `unnest(${columns.map((_, at) => `$${at + 1}::text[]`).join(', ')}) as s(${aliases.join(', ')})`
}

/** Values as one array in PostgreSQL's text form. */
export function arrayLiteral(values: readonly Value[]): string {
  let text = '{'
  for (const value of values) {
    if (text.length > 1) text += ','
    if (value == null) text += 'NULL'
    else text += `"${/["\\]/.test(value) ? value.replace(/["\\]/g, String.raw`\$&`) : value}"`
  }
  return `${text}}`
}
