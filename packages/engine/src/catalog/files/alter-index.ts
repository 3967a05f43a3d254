import type { Node } from '../../parse/parser.ts'
import type { Index } from '../model.ts'
import type { Command } from './alter-table.ts'
import { markUnknown, type Fold } from './fold.ts'
import { findIndex, indexNamed, type Name } from './names.ts'
import { changeOptions } from './relation-options.ts'

/** ALTER INDEX: storage parameters and ATTACH PARTITION. */
export function alterIndex(fold: Fold, key: string, command: Command): void {
  const [schema = '', name = ''] = key.split('.')
  const found = findIndex(fold.catalog, schema, name)
  if (!found) return
  const { def } = command
  switch (command.subtype) {
    case 'AT_SetRelOptions':
    case 'AT_ResetRelOptions': {
      const items: Node[] = def && 'List' in def ? (def.List.items ?? []) : []
      const options = changeOptions(found.index.options, items, command.subtype === 'AT_ResetRelOptions')
      found.indexes.set(name, { ...found.index, options })
      return
    }
    case 'AT_AttachPartition':
      if (def && 'PartitionCmd' in def) {
        const child = def.PartitionCmd.name
        const names = [...(child?.schemaname ? [child.schemaname] : []), child?.relname ?? '']
        attachIndex(fold, found.index, { schema, name, key }, indexNamed(fold, names))
      }
      return
    case 'AT_SetTableSpace':
    case 'AT_SetStatistics':
      return
    default:
      return markUnknown(fold, `alter index ${key}: ${command.subtype ?? ''}`)
  }
}

/** The index of a partitioned table is valid once every partition has its part. */
function attachIndex(fold: Fold, index: Index, parent: Name, child: Name): void {
  const { catalog, indexParents } = fold
  indexParents.set(child.key, parent.key)
  const { owner } = findIndex(catalog, parent.schema, parent.name) ?? {}
  const partitions = [...catalog.tables.values()].filter((table) => table.partitionOf === owner)
  const hasPart = (table: (typeof partitions)[number]) =>
    [...table.indexes.keys()].some((name) => indexParents.get(`${table.schema}.${name}`) === parent.key)
  if (partitions.every(hasPart)) index.valid = true
}
