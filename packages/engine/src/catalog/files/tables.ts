import type { Node } from '../../parse/parser.ts'
import { sqlTokens } from '../../parse/split-sql.ts'
import type { Index, Table, Trigger } from '../model.ts'
import { addColumn } from './columns.ts'
import { addConstraint, inheritConstraint } from './constraints.ts'
import { chooseName } from './choose-name.ts'
import { markUnknown, relationName, type Fold } from './fold.ts'
import { forget } from './gone.ts'
import { defaultGrants } from './grants.ts'
import { expressionName, isIndexNameTaken, keyNames } from './index-keys.ts'
import { relationOptions } from './relation-options.ts'
import { listInParentheses, trimmed } from './source-text.ts'

type CreateNode = Extract<Node, { CreateStmt: unknown }>['CreateStmt']

export function createTable(fold: Fold, node: CreateNode): void {
  const { schema, name, key } = relationName(node.relation)
  // Nothing happens with IF NOT EXISTS; without it PostgreSQL stops here, and the first definition stands.
  if (node.relation?.relpersistence === 't' || fold.catalog.tables.has(key)) return
  const parent = node.partbound ? relationName(parentOf(node)).key : null
  if (node.inhRelations?.length && !node.partbound) markUnknown(fold, 'create table .. inherits')
  const table: Table = {
    schema,
    name,
    owner: null,
    comment: null,
    grants: defaultGrants(fold, 'table', schema),
    columns: new Map(),
    constraints: new Map(),
    indexes: new Map(),
    policies: new Map(),
    triggers: new Map(),
    rules: new Map(),
    rlsEnabled: false,
    rlsForced: false,
    unlogged: node.relation?.relpersistence === 'u',
    partitionKey: partitionKey(fold, node),
    partitionOf: parent,
    partitionBound: node.partbound ? partitionBound(fold.statement.text) : null,
    inherits: [],
    options: relationOptions(node.options),
    replicaIdentity: 'default',
    position: fold.position,
  }
  forget(fold, key)
  fold.catalog.tables.set(key, table)
  if (parent !== null) inheritColumns(fold, table, parent)
  addElements(fold, table, node)
  if (parent !== null) inheritFrom(fold, table, parent)
}

function parentOf(node: CreateNode): { schemaname?: string; relname?: string } | undefined {
  const [parent] = node.inhRelations ?? []
  return parent && 'RangeVar' in parent ? parent.RangeVar : undefined
}

/** Columns first, then constraints, as PostgreSQL does: a constraint may name a column that stands behind it. */
function addElements(fold: Fold, table: Table, node: CreateNode): void {
  const { text, start } = fold.statement
  const spans = node.tableElts?.length ? listInParentheses(text, (node.relation?.location ?? start) - start) : []
  const elements = node.tableElts ?? []
  elements.forEach((element, n) => {
    if ('ColumnDef' in element) addColumn(fold, table, element.ColumnDef, spans[n]?.end ?? text.length)
    else if ('TableLikeClause' in element) copyLike(fold, table, element.TableLikeClause)
  })
  elements.forEach((element, n) => {
    const span = spans[n]
    if ('Constraint' in element && span) addConstraint(fold, table, element.Constraint, trimmed(text, span))
  })
}

function copyLike(
  fold: Fold,
  table: Table,
  like: Extract<Node, { TableLikeClause: unknown }>['TableLikeClause'],
): void {
  const source = fold.catalog.tables.get(relationName(like.relation).key)
  if (!source || like.options) markUnknown(fold, 'create table .. like')
  for (const column of source?.columns.values() ?? []) {
    const ordinal = table.columns.size + 1
    table.columns.set(column.name, {
      ...column,
      ordinal,
      default: null,
      identity: null,
      generated: null,
      comment: null,
    })
  }
}

/** `range (occurred_at)`, as pg_get_partkeydef prints it but for the keyword's case. */
function partitionKey(fold: Fold, node: CreateNode): string | null {
  const spec = node.partspec
  if (!spec) return null
  const strategy = (spec.strategy ?? '').replace('PARTITION_STRATEGY_', '').toLowerCase()
  const { text, start } = fold.statement
  const spans = listInParentheses(text, (spec.location ?? start) - start)
  const keys = (spec.partParams ?? []).map((param, n) => {
    const span = spans[n]
    if (!('PartitionElem' in param)) return ''
    return param.PartitionElem.name ?? (span ? trimmed(text, span) : '')
  })
  return `${strategy} (${keys.join(', ')})`
}

/** From `for values` or `default` to the end, without what follows the bound. */
function partitionBound(text: string): string {
  const tokens = sqlTokens(text)
  const at = tokens.findIndex((token, n) => {
    const word = token.text.toLowerCase()
    return (
      token.depth === 0 && (word === 'default' || (word === 'for' && tokens[n + 1]?.text.toLowerCase() === 'values'))
    )
  })
  const from = tokens[at]
  if (!from || from.text.toLowerCase() === 'default') return 'default'
  const next = tokens.find(
    (token, n) =>
      n > at + 2 &&
      token.depth === 0 &&
      ['partition', 'with', 'tablespace', 'using'].includes(token.text.toLowerCase()),
  )
  return trimmed(text, { start: from.start, end: next?.start ?? text.length }).replace(/^for\s+values/i, 'for values')
}

function inheritColumns(fold: Fold, table: Table, parent: string): void {
  for (const column of fold.catalog.tables.get(parent)?.columns.values() ?? []) {
    table.columns.set(column.name, { ...column, comment: null })
  }
}

/** What a new or attached partition takes over: keys, checks, foreign keys, indexes, row triggers. Never policies or grants. */
export function inheritFrom(fold: Fold, table: Table, parentKey: string): void {
  const parent = fold.catalog.tables.get(parentKey)
  if (!parent) return
  for (const constraint of parent.constraints.values()) {
    const index = parent.indexes.get(constraint.name)
    if (!hasEqual(table, constraint.kind, constraint.columns)) {
      inheritConstraint(fold, table, constraint, index?.fromConstraint ? index : undefined)
    }
  }
  for (const index of parent.indexes.values()) if (!index.fromConstraint) inheritIndex(fold, table, index)
  for (const trigger of parent.triggers.values()) inheritTrigger(table, trigger)
}

/** An attached table may bring a key of its own along. */
function hasEqual(table: Table, kind: string, columns: readonly string[]): boolean {
  if (kind !== 'primary key' && kind !== 'unique') return false
  return [...table.constraints.values()].some((own) => own.kind === kind && own.columns.join() === columns.join())
}

export function inheritIndex(fold: Fold, partition: Table, index: Index): void {
  const columns = keyNames(index.keys.map((key) => key.column ?? expressionName(key.expression)))
  const name = chooseName(partition.name, columns, 'idx', (own) => isIndexNameTaken(fold, partition.schema, own))
  partition.indexes.set(name, { ...index, name, comment: null })
}

export function inheritTrigger(partition: Table, trigger: Trigger): void {
  if (trigger.level === 'row') partition.triggers.set(trigger.name, { ...trigger, comment: null })
}
