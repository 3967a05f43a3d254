import type { Catalog, Table } from './model.ts'

/** The partition that takes what fits in no other one of a table (`schema.table`). */
export function defaultPartition(parent: string, { tables }: Catalog): Table | undefined {
  return [...tables.values()].find(
    ({ partitionOf, partitionBound }) => partitionOf === parent && partitionBound === 'default',
  )
}
