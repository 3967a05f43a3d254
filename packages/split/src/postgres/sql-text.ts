import type { TableName } from '../model.ts'

/** Quoted always: the names come from a catalog and may be anything. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function qualified({ schema, name }: TableName): string {
  return `${identifier(schema)}.${identifier(name)}`
}

/** COPY and utility statements take no parameters. Needs `standard_conforming_strings`, as sessions of ours have it. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** Oids of a table and all its partitions, as a subquery; of a table without partitions `pg_partition_tree` tells nothing. */
export function withPartitions(name: string): string {
  return `(select to_regclass(${name})::oid as oid union select relid::oid from pg_partition_tree(to_regclass(${name})))`
}

export function columnList(names: readonly string[]): string {
  return names.map(identifier).join(', ')
}
