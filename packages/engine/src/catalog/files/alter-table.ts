import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import type { Column, Table } from '../model.ts'
import { collationName } from './collation-name.ts'
import { columnDefault } from './column-default.ts'
import { addColumn, identitySequence } from './columns.ts'
import { addConstraint, equalKey } from './constraints.ts'
import { alterConstraint, validateConstraint } from './alter-constraint.ts'
import { alterIndex } from './alter-index.ts'
import { alterView } from './alter-view.ts'
import { dropColumn, dropConstraint } from './dependents.ts'
import { markUnknown, withPartitions, type Fold } from './fold.ts'
import { typeText } from './format-type.ts'
import { roleName } from './grants.ts'
import { attachPartition, detachPartition, inheritFromTable, stopInheriting } from './inheritance.ts'
import { withMergedKeys } from './merge-keys.ts'
import { findIndex, indexNamed, relationName } from './names.ts'
import { findOther } from './others.ts'
import { setTableOwner } from './owners.ts'
import { qualify } from './qualify.ts'
import { changeOptions } from './relation-options.ts'
import { sequenceClauses, sequenceOptions } from './sequences.ts'
import { listBehind, trimmed } from './source-text.ts'
import { alterAttributes } from './types.ts'
import { unvalidatedColumn } from './unvalidated-column.ts'

type AlterNode = Extract<Node, { AlterTableStmt: unknown }>['AlterTableStmt']
export type Command = Extract<Node, { AlterTableCmd: unknown }>['AlterTableCmd']

/** ALTER TABLE, one command after the other; also ALTER INDEX, VIEW, SEQUENCE and TYPE, which share its tree. */
export function alterTable(fold: Fold, node: AlterNode): void {
  const commands = (node.cmds ?? []).flatMap((item) => ('AlterTableCmd' in item ? item.AlterTableCmd : []))
  if (node.objtype === 'OBJECT_TYPE') return alterAttributes(fold, node.relation, commands)
  const { schema, name, key } = relationName(fold, node.relation)
  const { text, start } = fold.statement
  const spans = listBehind(text, (node.relation?.location ?? start) - start)
  // the tree leaves out what is false
  const isOnly = node.relation?.inh !== true
  commands.forEach((command, n) => {
    const span = spans[n] ?? { start: 0, end: text.length }
    const { tables, views, sequences } = fold.catalog
    const table = tables.get(key)
    if (command.subtype === 'AT_ChangeOwner') {
      const owner = command.newowner ? roleName({ RoleSpec: command.newowner }) : ''
      setTableOwner(fold, key, owner)
    } else if (table) alterOne(fold, { table, command, text: trimmed(text, span), end: span.end, isOnly })
    else if (views.has(key)) alterView(fold, key, command, trimmed(text, span))
    else if (indexOf(fold, node)) alterIndex(fold, indexOf(fold, node) ?? '', command)
    else if (
      !sequences.has(key) &&
      !WITHOUT_EFFECT.has(command.subtype ?? '') &&
      !isForeign(fold, schema, name) &&
      !node.missing_ok
    )
      markUnknown(fold, `alter of ${key}`)
  })
}

function indexOf(fold: Fold, { relation }: AlterNode): string | undefined {
  const own = indexNamed(fold, [...(relation?.schemaname ? [relation.schemaname] : []), relation?.relname ?? ''])
  return findIndex(fold.catalog, own.schema, own.name) ? own.key : undefined
}

function isForeign(fold: Fold, schema: string, name: string): boolean {
  const items = [{ String: { sval: schema } }, { String: { sval: name } }]
  return findOther(fold, 'OBJECT_FOREIGN_TABLE', { List: { items } }) !== undefined
}

/** Sub-commands about where and how rows lie, which the model does not hold. */
const WITHOUT_EFFECT = new Set([
  'AT_ClusterOn',
  'AT_DropCluster',
  'AT_SetTableSpace',
  'AT_SetAccessMethod',
  'AT_SetLogged',
  'AT_SetUnLogged',
])

interface Alter {
  readonly table: Table
  readonly command: Command
  /** The command's source. */
  readonly text: string
  /** Where it ends in the statement. */
  readonly end: number
  /** ALTER TABLE ONLY. */
  readonly isOnly: boolean
}

function alterOne(fold: Fold, alter: Alter): void {
  const { table, command } = alter
  const isKnown = alterColumn(fold, alter) || alterParts(fold, alter) || alterFlags(fold, table, command)
  if (!isKnown) markUnknown(fold, `alter table ${table.schema}.${table.name}: ${command.subtype ?? ''}`)
}

/** What is about one column. */
function alterColumn(fold: Fold, { table, command, text, end, isOnly }: Alter): boolean {
  const { name = '', def } = command
  const reached = isOnly ? [table] : withPartitions(fold.catalog, table)
  const each = (parts: Partial<Column>) => {
    for (const own of reached) change(own, name, parts)
    return true
  }
  switch (command.subtype) {
    case 'AT_AddColumn':
      if (def && 'ColumnDef' in def) {
        const column = withMergedKeys(def.ColumnDef)
        for (const own of reached) addColumn(fold, own, column, end, table)
      }
      return true
    case 'AT_DropColumn':
      for (const own of reached)
        if (own === table || !isInheritedElsewhere(fold, own, table, name)) dropColumn(fold, own, name)
      return true
    case 'AT_ColumnDefault': {
      const source = text.replace(/^.*?\bset\s+default\s+/is, '')
      const type = table.columns.get(name)?.type ?? ''
      return each({ default: def ? columnDefault(fold, source, type) : null })
    }
    case 'AT_SetNotNull':
    case 'AT_DropNotNull':
      return each({ notNull: command.subtype === 'AT_SetNotNull', unvalidatedNotNull: null })
    case 'AT_AlterColumnType': {
      const column = def && 'ColumnDef' in def ? def.ColumnDef : undefined
      const type = typeText(fold, column?.typeName ?? {})
      const collation = column?.collClause ? collationName(fold, path(column.collClause.collname), type) : null
      for (const own of reached) changeType(own, name, type, collation)
      return true
    }
    case 'AT_SetExpression':
      return each({
        generated: qualify(
          fold,
          'expression',
          text.replace(/^.*?\bset\s+expression\s+as\s*/is, ''),
          `${table.schema}.${table.name}`,
        ),
      })
    case 'AT_DropExpression':
      return each({ generated: null })
    case 'AT_SetStorage':
      return each({ storage: word(def) })
    case 'AT_SetCompression':
      return each({ compression: word(def) })
    case 'AT_SetStatistics': {
      const byNumber = [...table.columns.values()][(command.num ?? 0) - 1]?.name
      change(table, name || (byNumber ?? ''), { statistics: statisticsTarget(def) })
      return true
    }
    case 'AT_SetOptions':
    case 'AT_ResetOptions': {
      const options = table.columns.get(name)?.options ?? []
      change(table, name, { options: changeOptions(options, items(def), command.subtype === 'AT_ResetOptions') })
      return true
    }
    default:
      return alterIdentity(fold, table, command, text)
  }
}

/** A column that the table has of its own, or that another parent brings too, stays. */
function isInheritedElsewhere({ catalog, localColumns }: Fold, own: Table, from: Table, column: string): boolean {
  const key = `${from.schema}.${from.name}`
  if (own.partitionOf !== null) return false
  const isLocal = localColumns.has(`${own.schema}.${own.name}.${column}`)
  return isLocal || own.inherits.some((parent) => parent !== key && catalog.tables.get(parent)?.columns.has(column))
}

/** A new type brings its own collation, storage and default statistics along. */
function changeType(table: Table, name: string, type: string, collation: string | null): void {
  const column = table.columns.get(name)
  if (!column) return
  const { identitySequence: sequence } = column
  const counted = sequence && { ...sequence, ...sequenceOptions(type, boundsLeft(column, sequence)) }
  change(table, name, { type, collation, storage: null, identitySequence: counted })
}

/** Bounds that are those of the old type become those of the new one. */
function boundsLeft(column: Column, sequence: NonNullable<Column['identitySequence']>) {
  const { minimum, maximum, ...rest } = sequence
  const usual = sequenceOptions(column.type, { increment: sequence.increment })
  return {
    ...rest,
    ...(minimum === usual.minimum ? {} : { minimum }),
    ...(maximum === usual.maximum ? {} : { maximum }),
  }
}

function alterIdentity(fold: Fold, table: Table, { subtype, name = '', def }: Command, text: string): boolean {
  const column = table.columns.get(name)
  switch (subtype) {
    case 'AT_AddIdentity': {
      const options = def && 'Constraint' in def ? def.Constraint.options : undefined
      change(table, name, {
        identity: /\balways\b/i.test(text) ? 'always' : 'by default',
        identitySequence: identitySequence(fold, table, name, column?.type ?? 'bigint', options),
        notNull: true,
      })
      return true
    }
    case 'AT_SetIdentity': {
      const generated = /\bset\s+generated\s+(always|by\s+default)/i.exec(text)?.[1]?.toLowerCase()
      const { type: _, ownedBy: __, name: ___, ...clauses } = sequenceClauses(fold, items(def))
      const sequence = column?.identitySequence
      change(table, name, {
        ...(generated ? { identity: generated === 'always' ? 'always' : 'by default' } : {}),
        ...(sequence && column
          ? { identitySequence: { ...sequence, ...sequenceOptions(column.type, { ...sequence, ...clauses }) } }
          : {}),
      })
      return true
    }
    case 'AT_DropIdentity':
      change(table, name, { identity: null, identitySequence: null })
      return true
    default:
      return false
  }
}

/** What is about constraints, partitions and inheritance. */
function alterParts(fold: Fold, { table, command, text, isOnly }: Alter): boolean {
  const { name = '', def } = command
  const reached = isOnly ? [table] : withPartitions(fold.catalog, table)
  switch (command.subtype) {
    case 'AT_AddConstraint':
      if (def && 'Constraint' in def)
        addConstraint(fold, table, def.Constraint, text.replace(/^.*?\badd\s+/is, ''), undefined, isOnly)
      return true
    case 'AT_DropConstraint': {
      const names = reached.map((own) => nameInside(fold, own, table, name))
      reached.forEach((own, n) => {
        endUnvalidated(own, name, false)
        dropConstraint(fold, own, names[n] ?? name)
      })
      return true
    }
    case 'AT_AlterConstraint':
      if (def && 'ATAlterConstraint' in def) for (const own of reached) alterConstraint(own, def.ATAlterConstraint)
      return true
    case 'AT_ValidateConstraint':
      for (const own of reached) {
        endUnvalidated(own, name, true)
        validateConstraint(own, nameInside(fold, own, table, name))
      }
      return true
    case 'AT_AttachPartition':
      attachPartition(fold, table, command, text)
      return true
    case 'AT_DetachPartition':
    case 'AT_DetachPartitionFinalize':
      detachPartition(fold, command)
      return true
    case 'AT_AddInherit':
    case 'AT_DropInherit': {
      const parent = def && 'RangeVar' in def ? relationName(fold, def.RangeVar).key : ''
      if (command.subtype === 'AT_AddInherit') inheritFromTable(fold, table, parent)
      else stopInheriting(fold, table, parent)
      return true
    }
    default:
      return false
  }
}

/** A NOT NULL constraint that was not valid is validated, or dropped. */
function endUnvalidated(table: Table, constraint: string, notNull: boolean): void {
  const column = unvalidatedColumn(table, constraint)
  if (column) change(table, column.name, { notNull, unvalidatedNotNull: null })
}

/** What a constraint of a table is called in a partition. */
function nameInside(fold: Fold, own: Table, table: Table, name: string): string {
  if (own === table) return name
  const constraint = table.constraints.get(name)
  if (constraint?.kind === 'foreign key') return equalKey(fold.options, own, constraint)?.name ?? name
  const { indexParents } = fold
  const parent = `${table.schema}.${name}`
  return [...own.indexes.keys()].find((index) => indexParents.get(`${own.schema}.${index}`) === parent) ?? name
}

function replaceTable(fold: Fold, table: Table, parts: Partial<Table>): boolean {
  fold.catalog.tables.set(`${table.schema}.${table.name}`, { ...table, ...parts })
  return true
}

/** A word of SET STORAGE and SET COMPRESSION; null for `default`. */
function word(node: Node | undefined): string | null {
  const text = node && 'String' in node ? (node.String.sval ?? '').toLowerCase() : ''
  return text === '' || text === 'default' ? null : text
}

/** -1 and DEFAULT are the server's own. */
function statisticsTarget(node: Node | undefined): number | null {
  const target = node && 'Integer' in node ? (node.Integer.ival ?? 0) : -1
  return target < 0 ? null : target
}

function items(node: Node | undefined): Node[] {
  return node && 'List' in node ? (node.List.items ?? []) : []
}

function replicaIdentity(node: Node | undefined): string {
  if (!node || !('ReplicaIdentityStmt' in node)) return 'default'
  const { identity_type: type, name } = node.ReplicaIdentityStmt
  return type === 'i' ? `index ${name ?? ''}` : type === 'f' ? 'full' : type === 'n' ? 'nothing' : 'default'
}

/** What is one property of the table, or the state of a trigger or rule. */
function alterFlags(fold: Fold, table: Table, command: Command): boolean {
  const subtype = String(command.subtype)
  if (setState(fold, table, subtype, command.name ?? '')) return true
  switch (subtype) {
    case 'AT_SetRelOptions':
    case 'AT_ResetRelOptions':
      return replaceTable(fold, table, {
        options: changeOptions(table.options, items(command.def), subtype === 'AT_ResetRelOptions'),
      })
    case 'AT_ReplicaIdentity':
      return replaceTable(fold, table, { replicaIdentity: replicaIdentity(command.def) })
    case 'AT_EnableRowSecurity':
    case 'AT_DisableRowSecurity':
      table.rlsEnabled = subtype === 'AT_EnableRowSecurity'
      return true
    case 'AT_ForceRowSecurity':
    case 'AT_NoForceRowSecurity':
      table.rlsForced = subtype === 'AT_ForceRowSecurity'
      return true
    case 'AT_SetLogged':
    case 'AT_SetUnLogged':
      table.unlogged = subtype === 'AT_SetUnLogged'
      return true
    default:
      return WITHOUT_EFFECT.has(subtype)
  }
}

const STATES: Record<string, 'origin' | 'always' | 'replica' | 'disabled'> = {
  AT_Enable: 'origin',
  AT_EnableAlways: 'always',
  AT_EnableReplica: 'replica',
  AT_Disable: 'disabled',
}

/** ENABLE and DISABLE of triggers (one, all, those of users) and rules; on a partitioned table of its partitions' too. */
function setState({ catalog }: Fold, table: Table, subtype: string, name: string): boolean {
  const [, action = '', kind = '', many] =
    /^(AT_(?:Enable|Disable)(?:Always|Replica)?)(Trig|Rule)(All|User)?$/.exec(subtype) ?? []
  const enabled = STATES[action]
  if (!enabled) return false
  for (const own of kind === 'Trig' && table.partitionKey ? withPartitions(catalog, table) : [table]) {
    const parts = kind === 'Trig' ? own.triggers : own.rules
    for (const part of parts.values()) if (many !== undefined || part.name === name) part.enabled = enabled
  }
  return true
}

function change(table: Table, name: string, parts: Partial<Column>): void {
  const column = table.columns.get(name)
  if (column) table.columns.set(name, { ...column, ...parts })
}
