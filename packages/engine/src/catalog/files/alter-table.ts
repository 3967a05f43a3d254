import type { Node } from '../../parse/parser.ts'
import type { Column, Table } from '../model.ts'
import { addColumn, identitySequence } from './columns.ts'
import { addConstraint } from './constraints.ts'
import { markUnknown, relationName, withPartitions, type Fold } from './fold.ts'
import { formatType } from './format-type.ts'
import { roleName } from './grants.ts'
import { noteGone } from './gone.ts'
import { setOwner } from './owners.ts'
import { changeOptions } from './relation-options.ts'
import { listBehind, trimmed } from './source-text.ts'
import { inheritFrom } from './tables.ts'

type AlterNode = Extract<Node, { AlterTableStmt: unknown }>['AlterTableStmt']
type Command = Extract<Node, { AlterTableCmd: unknown }>['AlterTableCmd']

/** ALTER TABLE, one command after the other; also ALTER INDEX, VIEW and SEQUENCE, which share its tree. */
export function alterTable(fold: Fold, node: AlterNode): void {
  const { key } = relationName(node.relation)
  const table = fold.catalog.tables.get(key)
  const { text, start } = fold.statement
  const spans = listBehind(text, (node.relation?.location ?? start) - start)
  ;(node.cmds ?? []).forEach((item, n) => {
    if (!('AlterTableCmd' in item)) return
    const command = item.AlterTableCmd
    if (command.subtype === 'AT_ChangeOwner') {
      const owner = command.newowner ? roleName({ RoleSpec: command.newowner }) : ''
      return setOwner(table ?? fold.catalog.views.get(key) ?? fold.catalog.sequences.get(key), owner)
    }
    const span = spans[n] ?? { start: 0, end: text.length }
    const current = fold.catalog.tables.get(key)
    if (current) alterOne(fold, current, command, trimmed(text, span), span.end)
    else if (!NO_EFFECT.has(command.subtype ?? '')) markUnknown(fold, `alter of ${key}`)
  })
}

/** Sub-commands about where and how rows lie, which the model does not hold. */
const NO_EFFECT = new Set(['AT_ClusterOn', 'AT_DropCluster', 'AT_SetTableSpace', 'AT_SetAccessMethod'])

function alterOne(fold: Fold, table: Table, command: Command, text: string, end: number): void {
  const name = command.name ?? ''
  const each = (change: (own: Table) => void) => withPartitions(fold.catalog, table).forEach(change)
  switch (command.subtype) {
    case 'AT_AddColumn': {
      const definition = command.def
      if (!definition || !('ColumnDef' in definition)) return
      return each((own) => addColumn(fold, own, definition.ColumnDef, end))
    }
    case 'AT_DropColumn':
      return each((own) => dropColumn(fold, own, name))
    case 'AT_ColumnDefault':
      return each((own) =>
        change(own, name, { default: command.def ? text.replace(/^.*?\bset\s+default\s+/is, '') : null }),
      )
    case 'AT_SetNotNull':
      return each((own) => change(own, name, { notNull: true }))
    case 'AT_DropNotNull':
      return each((own) => change(own, name, { notNull: false }))
    case 'AT_AlterColumnType': {
      const type = command.def && 'ColumnDef' in command.def ? command.def.ColumnDef.typeName : undefined
      return each((own) => change(own, name, { type: formatType(type ?? {}) }))
    }
    case 'AT_DropExpression':
      return each((own) => change(own, name, { generated: null }))
    case 'AT_AddIdentity': {
      const options = command.def && 'Constraint' in command.def ? command.def.Constraint.options : undefined
      const type = table.columns.get(name)?.type ?? 'bigint'
      return change(table, name, {
        identity: /\balways\b/i.test(text) ? 'always' : 'by default',
        identitySequence: identitySequence(fold, table, name, type, options),
        notNull: true,
      })
    }
    case 'AT_DropIdentity':
      return change(table, name, { identity: null, identitySequence: null })
    case 'AT_SetStorage':
      return each((own) => change(own, name, { storage: word(command.def) }))
    case 'AT_SetCompression':
      return each((own) => change(own, name, { compression: word(command.def) }))
    case 'AT_SetStatistics':
      return change(table, name, { statistics: statisticsTarget(command.def) })
    case 'AT_SetOptions':
    case 'AT_ResetOptions': {
      const options = changeOptions(
        table.columns.get(name)?.options ?? [],
        items(command.def),
        command.subtype === 'AT_ResetOptions',
      )
      return change(table, name, { options })
    }
    case 'AT_SetRelOptions':
    case 'AT_ResetRelOptions': {
      const options = changeOptions(table.options, items(command.def), command.subtype === 'AT_ResetRelOptions')
      return replaceTable(fold, table, { options })
    }
    case 'AT_ReplicaIdentity':
      return replaceTable(fold, table, { replicaIdentity: replicaIdentity(command.def) })
    case 'AT_AddConstraint':
      if (command.def && 'Constraint' in command.def)
        addConstraint(fold, table, command.def.Constraint, text.replace(/^.*?\badd\s+/is, ''))
      return
    case 'AT_DropConstraint':
      return each((own) => {
        own.constraints.delete(name)
        own.indexes.delete(name)
      })
    case 'AT_ValidateConstraint': {
      const constraint = table.constraints.get(name)
      if (constraint) {
        const definition = constraint.definition.replace(/ NOT VALID$/, '')
        table.constraints.set(name, { ...constraint, validated: true, definition })
      }
      return
    }
    case 'AT_AttachPartition':
      return attach(fold, table, command, text)
    case 'AT_DetachPartition':
      return detach(fold, command)
    default:
      if (!alterFlags(table, command))
        markUnknown(fold, `alter table ${table.schema}.${table.name}: ${command.subtype ?? ''}`)
  }
}

function replaceTable(fold: Fold, table: Table, parts: Partial<Table>): void {
  fold.catalog.tables.set(`${table.schema}.${table.name}`, { ...table, ...parts })
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

/** What is one flag of the table or of a trigger. False for a command that nobody here knows. */
function alterFlags(table: Table, { subtype: command, name = '' }: Command): boolean {
  const subtype = String(command)
  const trigger = table.triggers.get(name)
  const enabled = TRIGGER_STATES[subtype]
  if (enabled) {
    for (const own of subtype.endsWith('All') || subtype.endsWith('User')
      ? table.triggers.values()
      : trigger
        ? [trigger]
        : []) {
      own.enabled = enabled
    }
    return true
  }
  switch (subtype) {
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
      return NO_EFFECT.has(subtype)
  }
}

const TRIGGER_STATES: Record<string, 'origin' | 'always' | 'replica' | 'disabled'> = {
  AT_EnableTrig: 'origin',
  AT_EnableTrigAll: 'origin',
  AT_EnableTrigUser: 'origin',
  AT_EnableAlwaysTrig: 'always',
  AT_EnableReplicaTrig: 'replica',
  AT_DisableTrig: 'disabled',
  AT_DisableTrigAll: 'disabled',
  AT_DisableTrigUser: 'disabled',
}

function change(table: Table, name: string, parts: Partial<Column>): void {
  const column = table.columns.get(name)
  if (column) table.columns.set(name, { ...column, ...parts })
}

/** Indexes and constraints over the column go with it, and the sequence that it owns. */
function dropColumn(fold: Fold, table: Table, name: string): void {
  if (!table.columns.delete(name)) return
  noteGone(fold, `${table.schema}.${table.name}.${name}`)
  let ordinal = 0
  for (const column of table.columns.values()) table.columns.set(column.name, { ...column, ordinal: ++ordinal })
  for (const constraint of table.constraints.values()) {
    if (!constraint.columns.includes(name)) continue
    table.constraints.delete(constraint.name)
    table.indexes.delete(constraint.name)
  }
  for (const index of table.indexes.values()) {
    if (index.keys.some((key) => key.column === name) || index.include.includes(name)) table.indexes.delete(index.name)
  }
  for (const [key, sequence] of fold.catalog.sequences) {
    if (sequence.ownedBy === `${table.schema}.${table.name}.${name}`) fold.catalog.sequences.delete(key)
  }
}

function attach(fold: Fold, table: Table, command: Command, text: string): void {
  const partition = command.def && 'PartitionCmd' in command.def ? relationName(command.def.PartitionCmd.name) : null
  const child = partition ? fold.catalog.tables.get(partition.key) : undefined
  if (!partition || !child) return
  const parent = `${table.schema}.${table.name}`
  const bound = /\bdefault\s*$/i.test(text) ? 'default' : text.replace(/^.*?\bfor\s+values/is, 'for values')
  const attached: Table = { ...child, partitionOf: parent, partitionBound: bound }
  fold.catalog.tables.set(partition.key, attached)
  for (const column of table.columns.values()) if (column.notNull) change(attached, column.name, { notNull: true })
  inheritFrom(fold, attached, parent)
}

function detach(fold: Fold, command: Command): void {
  const name = command.def && 'PartitionCmd' in command.def ? command.def.PartitionCmd.name : undefined
  const { key } = relationName(name)
  const child = fold.catalog.tables.get(key)
  if (child) fold.catalog.tables.set(key, { ...child, partitionOf: null, partitionBound: null })
}
