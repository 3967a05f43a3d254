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

/** Oids of a table and all its partitions with their levels, as a subquery. `pg_partition_tree` would wait for locks on them. */
export function partitionTree(oid: string): string {
  return `(with recursive tree as (
     select ${oid} as oid, 0 as level
     union all
     select i.inhrelid, tree.level + 1
       from tree join pg_inherits i on i.inhparent = tree.oid
       join pg_class part on part.oid = i.inhrelid and part.relispartition)
   select * from tree)`
}

/** The same of a table's name. */
export function withPartitions(name: string): string {
  return partitionTree(`to_regclass(${name})::oid`)
}

export function columnList(names: readonly string[]): string {
  return names.map(identifier).join(', ')
}
