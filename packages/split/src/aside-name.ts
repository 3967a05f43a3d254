import type { TableName } from './model.ts'

/** Names have 63 bytes on PostgreSQL, 64 characters on MariaDB. */
type NameLength = 63 | 64

/** The name of a table that is set aside because its service has a database of its own. */
export function asideName({ schema, name }: TableName, length: NameLength): TableName {
  return { schema, name: `zz_moved_${name}`.slice(0, length) }
}

/** The same for who does not know the server. */
export function asideNames(table: TableName): TableName[] {
  return [asideName(table, 63), asideName(table, 64)]
}
