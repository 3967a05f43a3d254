import { equalKey, makeForeignKey } from '../../catalog/files/constraints.ts'
import type { Catalog, Constraint, Table } from '../../catalog/model.ts'
import { path } from '../../parse/references.ts'
import { relationKey } from '../history/names.ts'
import type { ConstraintNode } from './alter-steps.ts'

/**
 * Whether each partition that the files make has a valid foreign key of its own that becomes its part of the one that is
 * added: PostgreSQL looks at no row then.
 */
export function isKeyOfAllPartitions(catalog: Catalog, table: string, node: ConstraintNode): boolean {
  const key = keyOf(catalog, node)
  const covers = (own: Table): boolean => {
    const below = directPartitions(catalog, own)
    return equalKey(VALID_ONLY, own, key) !== undefined || (below.length > 0 && below.every(covers))
  }
  const below = directPartitions(catalog, catalog.tables.get(table))
  return below.length > 0 && below.every(covers)
}

/** Whether a partition's foreign key becomes a part of the one that is added: its triggers on the other table go. */
export function isKeyOfPartition(catalog: Catalog, table: string, node: ConstraintNode): boolean {
  const key = keyOf(catalog, node)
  const has = (own: Table): boolean =>
    equalKey(VALID_ONLY, own, key) !== undefined || directPartitions(catalog, own).some(has)
  return directPartitions(catalog, catalog.tables.get(table)).some(has)
}

/** One that is not valid is no part of the parent's before PostgreSQL 18, and validated on the way since. */
const VALID_ONLY = { serverVersion: 15 }

function keyOf(catalog: Catalog, node: ConstraintNode): Constraint {
  const common = {
    name: node.conname ?? '',
    columns: path(node.fk_attrs),
    deferrable: node.deferrable ?? false,
    initiallyDeferred: node.initdeferred ?? false,
    validated: true,
    comment: null,
  }
  return makeForeignKey(catalog, node, common, relationKey(node.pktable))
}

function directPartitions({ tables }: Catalog, table: Table | undefined): Table[] {
  const key = table && `${table.schema}.${table.name}`
  return [...tables.values()].filter(({ partitionOf }) => partitionOf !== null && partitionOf === key)
}
