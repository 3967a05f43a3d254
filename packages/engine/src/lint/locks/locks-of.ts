import { defaultPartition } from '../../catalog/default-partition.ts'
import type { Catalog } from '../../catalog/model.ts'
import type { ParsedStatement } from '../../parse/parse-sql.ts'
import { path } from '../../parse/references.ts'
import { isConcurrentReindex } from '../../migrate/transaction-mode.ts'
import { relationKey, typeKey } from '../history/names.ts'
import { alterSteps, type AlterStep } from './alter-steps.ts'
import { indexOwner } from './index-owner.ts'
import { isKeyOfPartition } from './partition-keys.ts'

/** Table-level locks in PostgreSQL's order of strength, by the numbers that LOCK TABLE's tree has. */
export const lockModes = [
  'none',
  'access share',
  'row share',
  'row exclusive',
  'share update exclusive',
  'share',
  'share row exclusive',
  'exclusive',
  'access exclusive',
] as const
export type LockMode = (typeof lockModes)[number]

export interface TableLock {
  /** `schema.table`. */
  readonly table: string
  readonly mode: LockMode
}

/** Whether the mode makes writers wait (and `access exclusive` readers as well). */
export function blocksWriters(mode: LockMode): boolean {
  return strength(mode) >= strength('share')
}

export function strength(mode: LockMode): number {
  return lockModes.indexOf(mode)
}

/**
 * The locks that a statement takes on tables and materialized views that exist, the strongest one of each, with the catalog
 * right before it. https://www.postgresql.org/docs/current/explicit-locking.html; a test compares it with pg_locks.
 */
export function locksOf(statement: ParsedStatement, catalog: Catalog): TableLock[] {
  const strongest = new Map<string, LockMode>()
  for (const { table, mode } of allLocks(statement, catalog)) {
    if (strength(mode) > strength(strongest.get(table) ?? 'none')) strongest.set(table, mode)
  }
  return [...strongest].map(([table, mode]) => ({ table, mode }))
}

function allLocks(statement: ParsedStatement, catalog: Catalog): TableLock[] {
  const { node } = statement
  const steps = alterSteps(statement)
  if (steps.length > 0) return steps.flatMap((step) => stepLocks(step, catalog))
  if ('CreateStmt' in node) return ofCreateTable(node.CreateStmt, catalog)
  if ('IndexStmt' in node)
    return lock(relationKey(node.IndexStmt.relation), node.IndexStmt.concurrent ? 'share update exclusive' : 'share')
  if ('CreateTrigStmt' in node) return lock(relationKey(node.CreateTrigStmt.relation), 'share row exclusive')
  if ('DropStmt' in node) return ofDrop(node.DropStmt, catalog)
  if ('TruncateStmt' in node)
    return (node.TruncateStmt.relations ?? []).flatMap((item) =>
      'RangeVar' in item ? lock(relationKey(item.RangeVar), 'access exclusive') : [],
    )
  if ('LockStmt' in node) {
    const mode = lockModes[node.LockStmt.mode ?? 8] ?? 'access exclusive'
    return (node.LockStmt.relations ?? []).flatMap((item) =>
      'RangeVar' in item ? lock(relationKey(item.RangeVar), mode) : [],
    )
  }
  if ('RenameStmt' in node && RENAMED.has(node.RenameStmt.renameType ?? ''))
    return lock(relationKey(node.RenameStmt.relation), 'access exclusive')
  if ('AlterObjectSchemaStmt' in node && TABLES.has(node.AlterObjectSchemaStmt.objectType ?? ''))
    return lock(relationKey(node.AlterObjectSchemaStmt.relation), 'access exclusive')
  if ('CreatePolicyStmt' in node) return lock(relationKey(node.CreatePolicyStmt.table), 'access exclusive')
  if ('AlterPolicyStmt' in node) return lock(relationKey(node.AlterPolicyStmt.table), 'access exclusive')
  if ('RuleStmt' in node) return lock(relationKey(node.RuleStmt.relation), 'access exclusive')
  return ofUpkeep(node, catalog)
}

const TABLES = new Set(['OBJECT_TABLE', 'OBJECT_MATVIEW'])
const RENAMED = new Set([...TABLES, 'OBJECT_COLUMN', 'OBJECT_TABCONSTRAINT', 'OBJECT_TRIGGER', 'OBJECT_POLICY'])

/** Statements that write a table or its indexes anew, and those that change rows. */
function ofUpkeep(node: ParsedStatement['node'], catalog: Catalog): TableLock[] {
  if ('ClusterStmt' in node && node.ClusterStmt.relation)
    return lock(relationKey(node.ClusterStmt.relation), 'access exclusive')
  if ('RefreshMatViewStmt' in node)
    return lock(
      relationKey(node.RefreshMatViewStmt.relation),
      node.RefreshMatViewStmt.concurrent ? 'exclusive' : 'access exclusive',
    )
  if ('ReindexStmt' in node && node.ReindexStmt.relation) {
    const name = relationKey(node.ReindexStmt.relation)
    const table = node.ReindexStmt.kind === 'REINDEX_OBJECT_TABLE' ? name : indexOwner(name, catalog)?.table
    return table ? lock(table, isConcurrentReindex(node.ReindexStmt.params) ? 'share update exclusive' : 'share') : []
  }
  if ('UpdateStmt' in node) return lock(relationKey(node.UpdateStmt.relation), 'row exclusive')
  if ('DeleteStmt' in node) return lock(relationKey(node.DeleteStmt.relation), 'row exclusive')
  if ('InsertStmt' in node) return lock(relationKey(node.InsertStmt.relation), 'row exclusive')
  return []
}

function lock(table: string, mode: LockMode): TableLock[] {
  return [{ table, mode }]
}

const STEP_MODES: Record<string, LockMode> = {
  AT_ValidateConstraint: 'share update exclusive',
  AT_SetStatistics: 'share update exclusive',
  AT_SetOptions: 'share update exclusive',
  AT_ResetOptions: 'share update exclusive',
  AT_SetRelOptions: 'share update exclusive',
  AT_ResetRelOptions: 'share update exclusive',
  AT_ClusterOn: 'share update exclusive',
  AT_DropCluster: 'share update exclusive',
  AT_AttachPartition: 'share update exclusive',
  AT_EnableTrig: 'share row exclusive',
  AT_EnableAlwaysTrig: 'share row exclusive',
  AT_EnableReplicaTrig: 'share row exclusive',
  AT_EnableTrigAll: 'share row exclusive',
  AT_EnableTrigUser: 'share row exclusive',
  AT_DisableTrig: 'share row exclusive',
  AT_DisableTrigAll: 'share row exclusive',
  AT_DisableTrigUser: 'share row exclusive',
}

function stepLocks({ table, command }: AlterStep, catalog: Catalog): TableLock[] {
  const { subtype = 'AT_AddColumn', def, name = '' } = command
  const own = lock(table, STEP_MODES[subtype] ?? 'access exclusive')
  if (def && 'Constraint' in def && subtype === 'AT_AddConstraint' && def.Constraint.contype === 'CONSTR_FOREIGN')
    return [
      ...lock(table, 'share row exclusive'),
      ...lock(
        relationKey(def.Constraint.pktable),
        isKeyOfPartition(catalog, table, def.Constraint) ? 'access exclusive' : 'share row exclusive',
      ),
    ]
  if (def && 'ColumnDef' in def && subtype === 'AT_AddColumn')
    return [
      ...own,
      ...(def.ColumnDef.constraints ?? []).flatMap((item) =>
        'Constraint' in item && item.Constraint.contype === 'CONSTR_FOREIGN'
          ? lock(relationKey(item.Constraint.pktable), 'share row exclusive')
          : [],
      ),
    ]
  if (def && 'PartitionCmd' in def) {
    const partition = relationKey(def.PartitionCmd.name)
    if (subtype === 'AT_AttachPartition')
      return [...own, ...lock(partition, 'access exclusive'), ...defaultPartitionLock(table, catalog)]
    // Its first transaction takes the weak lock on the parent; the partition is locked at the end of the second.
    return def.PartitionCmd.concurrent
      ? [...lock(table, 'share update exclusive'), ...lock(partition, 'access exclusive')]
      : [...own, ...lock(partition, 'access exclusive'), ...defaultPartitionLock(table, catalog)]
  }
  if (subtype === 'AT_ValidateConstraint') {
    const target = catalog.tables.get(table)?.constraints.get(name)?.references
    return target ? [...own, ...lock(target, 'row share')] : own
  }
  if (subtype === 'AT_DropConstraint') {
    const target = catalog.tables.get(table)?.constraints.get(name)?.references
    return target ? [...own, ...lock(target, 'access exclusive')] : own
  }
  return own
}

function ofCreateTable(
  {
    inhRelations = [],
    partbound,
    tableElts = [],
  }: Extract<ParsedStatement['node'], { CreateStmt: unknown }>['CreateStmt'],
  catalog: Catalog,
): TableLock[] {
  const parents = inhRelations.flatMap((item) => ('RangeVar' in item ? [relationKey(item.RangeVar)] : []))
  const constraints = tableElts.flatMap((element) => {
    if ('Constraint' in element) return [element.Constraint]
    if (!('ColumnDef' in element)) return []
    return (element.ColumnDef.constraints ?? []).flatMap((item) => ('Constraint' in item ? [item.Constraint] : []))
  })
  return [
    ...parents.flatMap((parent) =>
      partbound
        ? [...lock(parent, 'access exclusive'), ...defaultPartitionLock(parent, catalog)]
        : lock(parent, 'share update exclusive'),
    ),
    ...constraints.flatMap(({ contype, pktable }) =>
      contype === 'CONSTR_FOREIGN' ? lock(relationKey(pktable), 'share row exclusive') : [],
    ),
  ]
}

/** Rows that belong to the new partition must not be in the default one. */
function defaultPartitionLock(parent: string, catalog: Catalog): TableLock[] {
  const own = defaultPartition(parent, catalog)
  return own ? lock(`${own.schema}.${own.name}`, 'access exclusive') : []
}

function ofDrop(
  { removeType, objects = [], concurrent }: Extract<ParsedStatement['node'], { DropStmt: unknown }>['DropStmt'],
  catalog: Catalog,
): TableLock[] {
  return objects.flatMap((object): TableLock[] => {
    const names = 'List' in object ? path(object.List.items) : []
    const name = typeKey(names)
    switch (removeType) {
      case 'OBJECT_TABLE':
        return dropTableLocks(name, catalog)
      case 'OBJECT_MATVIEW':
        return lock(name, 'access exclusive')
      case 'OBJECT_INDEX': {
        const owner = indexOwner(name, catalog)
        return owner ? lock(owner.table, concurrent ? 'share update exclusive' : 'access exclusive') : []
      }
      case 'OBJECT_TRIGGER':
      case 'OBJECT_POLICY':
      case 'OBJECT_RULE':
        return lock(typeKey(names.slice(0, -1)), 'access exclusive')
      default:
        return []
    }
  })
}

/** With the table go the triggers that its foreign keys have on other tables, and its place in a partitioned one. */
function dropTableLocks(name: string, catalog: Catalog): TableLock[] {
  const table = catalog.tables.get(name)
  const targets = [...(table?.constraints.values() ?? [])].flatMap(({ references }) => references ?? [])
  const parents = table?.partitionOf ? [table.partitionOf] : []
  return [
    ...[name, ...targets, ...parents].flatMap((own) => lock(own, 'access exclusive')),
    ...parents.flatMap((parent) => defaultPartitionLock(parent, catalog)),
  ]
}
