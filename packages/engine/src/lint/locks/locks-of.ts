import { defaultPartition } from '../../catalog/default-partition.ts'
import { withPartitions } from '../../catalog/files/fold.ts'
import type { Catalog, Table } from '../../catalog/model.ts'
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
  if (steps.length > 0) {
    const inh = 'AlterTableStmt' in node ? node.AlterTableStmt.relation?.inh : true
    return steps.flatMap((step) => [...stepLocks(step, catalog), ...(inh ? stepLocksBelow(step, catalog) : [])])
  }
  if ('CreateStmt' in node) return ofCreateTable(node.CreateStmt, catalog)
  if ('IndexStmt' in node) return ofCreateIndex(node.IndexStmt, catalog)
  if ('CreateTrigStmt' in node) {
    const table = relationKey(node.CreateTrigStmt.relation)
    const mode = 'share row exclusive'
    return [...lock(table, mode), ...(node.CreateTrigStmt.row ? lockPartitions(table, mode, catalog) : [])]
  }
  if ('DropStmt' in node) return ofDrop(node.DropStmt, catalog)
  if ('TruncateStmt' in node)
    return (node.TruncateStmt.relations ?? []).flatMap((item) =>
      'RangeVar' in item ? lockTree(item.RangeVar, 'access exclusive', catalog) : [],
    )
  if ('LockStmt' in node) {
    const mode = lockModes[node.LockStmt.mode ?? 8] ?? 'access exclusive'
    return (node.LockStmt.relations ?? []).flatMap((item) =>
      'RangeVar' in item ? lockTree(item.RangeVar, mode, catalog) : [],
    )
  }
  if ('RenameStmt' in node && node.RenameStmt.renameType === 'OBJECT_COLUMN')
    return lockTree(node.RenameStmt.relation, 'access exclusive', catalog)
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
const RENAMED = new Set([...TABLES, 'OBJECT_TABCONSTRAINT', 'OBJECT_TRIGGER', 'OBJECT_POLICY'])

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
  if ('UpdateStmt' in node) return lockTree(node.UpdateStmt.relation, 'row exclusive', catalog)
  if ('DeleteStmt' in node) return lockTree(node.DeleteStmt.relation, 'row exclusive', catalog)
  if ('InsertStmt' in node) return lock(relationKey(node.InsertStmt.relation), 'row exclusive')
  return []
}

function lock(table: string, mode: LockMode): TableLock[] {
  return [{ table, mode }]
}

type RangeVar = Parameters<typeof relationKey>[0] & { readonly inh?: boolean }

/** A table with those that are partitions of it or inherit from it, unless ONLY is said. */
function lockTree(relation: RangeVar | undefined, mode: LockMode, catalog: Catalog): TableLock[] {
  const table = relationKey(relation)
  return [...lock(table, mode), ...(relation?.inh ? lockBelow(table, mode, catalog) : [])]
}

function lockBelow(table: string, mode: LockMode, catalog: Catalog): TableLock[] {
  return descendants(table, catalog).flatMap((own) => lock(`${own.schema}.${own.name}`, mode))
}

/** What is passed on to partitions alone. */
function lockPartitions(table: string, mode: LockMode, catalog: Catalog): TableLock[] {
  return isPartitioned(table, catalog) ? lockBelow(table, mode, catalog) : []
}

function isPartitioned(table: string, { tables }: Catalog): boolean {
  return (tables.get(table)?.partitionKey ?? null) !== null
}

function descendants(table: string, catalog: Catalog): Table[] {
  const own = catalog.tables.get(table)
  return own ? withPartitions(catalog, own).slice(1) : []
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

/** Commands that PostgreSQL carries out on the tables below as well, under the same lock. */
const PASSED_ON = new Set([
  'AT_AddColumn',
  'AT_DropColumn',
  'AT_ColumnDefault',
  'AT_SetNotNull',
  'AT_DropNotNull',
  'AT_SetExpression',
  'AT_DropExpression',
  'AT_SetStatistics',
  'AT_SetStorage',
  'AT_AlterColumnType',
  'AT_AddConstraint',
  'AT_ValidateConstraint',
  'AT_DropConstraint',
])

function stepLocksBelow({ table, command }: AlterStep, catalog: Catalog): TableLock[] {
  const { subtype = 'AT_AddColumn', def, name } = command
  if (/^AT_(Enable|Disable).*Trig/.test(subtype)) return lockTriggers(table, name, 'share row exclusive', catalog)
  if (!PASSED_ON.has(subtype)) return []
  const mode = STEP_MODES[subtype] ?? 'access exclusive'
  if (def && 'Constraint' in def && subtype === 'AT_AddConstraint') {
    const { contype } = def.Constraint
    if (contype === 'CONSTR_FOREIGN') return lockPartitions(table, 'share row exclusive', catalog)
    if (contype !== 'CONSTR_CHECK' && contype !== 'CONSTR_NOTNULL') return lockPartitions(table, mode, catalog)
  }
  return lockBelow(table, mode, catalog)
}

/** Partitions have the row triggers of their table. */
function lockTriggers(table: string, name: string | undefined, mode: LockMode, catalog: Catalog): TableLock[] {
  if (!isPartitioned(table, catalog)) return []
  const own = [...(catalog.tables.get(table)?.triggers.keys() ?? [])].filter((key) => !name || key === name)
  return descendants(table, catalog)
    .filter(({ triggers }) => own.some((key) => triggers.has(key)))
    .flatMap((child) => lock(`${child.schema}.${child.name}`, mode))
}

function ofCreateIndex(
  { relation, concurrent }: Extract<ParsedStatement['node'], { IndexStmt: unknown }>['IndexStmt'],
  catalog: Catalog,
): TableLock[] {
  const table = relationKey(relation)
  const mode = concurrent ? 'share update exclusive' : 'share'
  return [...lock(table, mode), ...(relation?.inh ? lockPartitions(table, mode, catalog) : [])]
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
        const mode = concurrent ? 'share update exclusive' : 'access exclusive'
        return owner ? [...lock(owner.table, mode), ...lockPartitions(owner.table, mode, catalog)] : []
      }
      case 'OBJECT_TRIGGER': {
        const owner = typeKey(names.slice(0, -1))
        const mode = 'access exclusive'
        return [...lock(owner, mode), ...lockTriggers(owner, names.at(-1), mode, catalog)]
      }
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
    ...lockPartitions(name, 'access exclusive', catalog),
    ...parents.flatMap((parent) => defaultPartitionLock(parent, catalog)),
  ]
}
