import type { Key } from '@imhotep/split'

/** Columns of types that both kinds of server spell so; `blob` and `double` are replaced for PostgreSQL. */
export const tableSql = `create table samples (
  id int primary key, name varchar(60) not null, remark varchar(60), amount decimal(14,5) not null,
  taken datetime(6) not null, urgent boolean not null, scan blob not null, ratio double not null)`

export const postgresTableSql = tableSql
  .replace('datetime(6)', 'timestamp(6)')
  .replace('blob', 'bytea')
  .replace('double', 'double precision')

export const sampleRows = 160

/** A row as a statement that both kinds of server understand but for the blob. */
export function insertSamples(blob: (hex: string) => string): string {
  const rows = Array.from({ length: sampleRows }, (_, at) => {
    const id = at + 1
    const hex = (0xabcdef00 + id).toString(16).repeat(8)
    const taken = `2026-11-26 10:00:00.${String(700_000 + id)}`
    return `(${id}, 'Zebra${1000 + id}', '', ${7000 + id}.12345, '${taken}', true, ${blob(hex)}, 0.7${1000 + id})`
  })
  return `insert into samples (id, name, remark, amount, taken, urgent, scan, ratio) values ${rows.join(', ')}`
}

export interface Corruption {
  readonly what: string
  /** On the service's database. */
  readonly sql: string
  readonly finds: readonly { readonly key: Key; readonly kind: string; readonly columns: readonly string[] }[]
}

function different(what: string, id: number, column: string, value: string): Corruption {
  return {
    what,
    sql: `update samples set ${column} = ${value} where id = ${id}`,
    finds: [{ key: [String(id)], kind: 'different', columns: [column] }],
  }
}

export const corruptions: readonly Corruption[] = [
  different('one character', 11, 'name', `overlay(name placing 'x' from 3)`),
  different('0.00001', 52, 'amount', 'amount + 0.00001'),
  different('a microsecond', 53, 'taken', `taken + interval '1 microsecond'`),
  different('NULL instead of an empty text', 54, 'remark', 'null'),
  different('a boolean', 55, 'urgent', 'not urgent'),
  different('one bit of a blob', 56, 'scan', 'set_bit(scan, 77, 1 - get_bit(scan, 77))'),
  {
    what: 'a row that is gone',
    sql: 'delete from samples where id = 157',
    finds: [{ key: ['157'], kind: 'missing', columns: [] }],
  },
  {
    what: 'a row twice, under another key',
    sql: 'insert into samples select 9999, name, remark, amount, taken, urgent, scan, ratio from samples where id = 58',
    finds: [{ key: ['9999'], kind: 'extra', columns: [] }],
  },
  {
    what: 'two values that changed places',
    sql: `update samples s set name = o.name from samples o where (s.id, o.id) in ((59, 60), (60, 59))`,
    finds: ['59', '60'].map((id) => ({ key: [id], kind: 'different', columns: ['name'] })),
  },
  different('1e-13 of a double', 61, 'ratio', 'ratio + 1e-13'),
]

/** What belongs to values and to nothing else in a message. */
export const valuePatterns: readonly RegExp[] = [/zebra|zexra/i, /70\d\d\.123/, /10:00:00/, /abcdef/i, /\b0\.71\d\d\d/]
