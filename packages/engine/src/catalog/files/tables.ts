import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { sqlTokens } from '../../parse/split-sql.ts'
import type { Table } from '../model.ts'
import { addColumn, plainColumn } from './columns.ts'
import { addConstraint, inheritConstraint } from './constraints.ts'
import { markUnknown, type Fold } from './fold.ts'
import { forget } from './gone.ts'
import { inheritColumns, inheritFrom } from './inheritance.ts'
import { copyColumns, copyParts } from './like.ts'
import { mergeKeys } from './merge-keys.ts'
import { hasRelation, newRelation, relationName, typeNamed } from './names.ts'
import { newTable } from './new-table.ts'
import { qualify } from './qualify.ts'
import { relationOptions } from './relation-options.ts'
import { listInParentheses, trimmed } from './source-text.ts'

type CreateNode = Extract<Node, { CreateStmt: unknown }>['CreateStmt']

export function createTable(fold: Fold, node: CreateNode): void {
  const own = newRelation(fold, node.relation)
  const { key } = own
  // Nothing happens with IF NOT EXISTS; without it PostgreSQL stops here, and the first definition stands.
  if (node.relation?.relpersistence === 't' || hasRelation(fold.catalog, key)) return
  const parents = parentsOf(fold, node)
  const parent = node.partbound ? (parents[0] ?? null) : null
  const table = newTable(fold, own, {
    unlogged: node.relation?.relpersistence === 'u',
    partitionOf: parent,
    partitionBound: node.partbound ? qualify(fold, 'bound', partitionBound(fold.statement.text)) : null,
    inherits: parent === null ? parents : [],
    options: relationOptions(node.options),
  })
  forget(fold, key)
  fold.catalog.tables.set(key, table)
  for (const other of parents) inheritColumns(fold, table, other)
  if (node.ofTypename) typedColumns(fold, table, node.ofTypename)
  addElements(fold, table, node)
  for (const other of table.inherits) inheritChecks(fold, table, other)
  Object.assign(table, { partitionKey: partitionKey(fold, node, key) })
  if (parent !== null) inheritFrom(fold, table, parent)
}

function parentsOf(fold: Fold, node: CreateNode): string[] {
  return (node.inhRelations ?? []).flatMap((item) => ('RangeVar' in item ? relationName(fold, item.RangeVar).key : []))
}

/** CREATE TABLE .. OF a composite type. */
function typedColumns(fold: Fold, table: Table, type: NonNullable<CreateNode['ofTypename']>): void {
  const { key } = typeNamed(fold, path(type.names))
  const fields = fold.catalog.types.get(key)?.attributes
  if (!fields) return markUnknown(fold, `create table of ${key}`)
  for (const { name, type: own } of fields)
    table.columns.set(name, plainColumn(fold, name, own, table.columns.size + 1))
}

/** Checks are inherited by name; keys, foreign keys and indexes are not. */
function inheritChecks(fold: Fold, table: Table, parent: string): void {
  for (const constraint of fold.catalog.tables.get(parent)?.constraints.values() ?? []) {
    if (constraint.kind === 'check' && !/ NO INHERIT\b/.test(constraint.definition))
      inheritConstraint(fold, table, constraint, undefined)
  }
}

/** Columns first, then constraints, as PostgreSQL does: a constraint may name a column that stands behind it. */
function addElements(fold: Fold, table: Table, node: CreateNode): void {
  const { text, start } = fold.statement
  const spans = node.tableElts?.length ? listInParentheses(text, (node.relation?.location ?? start) - start) : []
  const elements = mergeKeys(node.tableElts ?? [])
  elements.forEach((element, n) => {
    if ('ColumnDef' in element) addColumn(fold, table, element.ColumnDef, spans[n]?.end ?? text.length)
    else if ('TableLikeClause' in element) copyColumns(fold, table, element.TableLikeClause)
  })
  elements.forEach((element, n) => {
    const span = spans[n]
    if (!('Constraint' in element) || !span) return
    // PostgreSQL takes NOT VALID for said of rows that a new table does not have.
    const { is_enforced: isEnforced, skip_validation: isSkipped = false } = element.Constraint
    addConstraint(
      fold,
      table,
      { ...element.Constraint, skip_validation: isSkipped && !isEnforced },
      trimmed(text, span),
    )
  })
  for (const element of elements) if ('TableLikeClause' in element) copyParts(fold, table, element.TableLikeClause)
}

/** `range (occurred_at)`, as pg_get_partkeydef prints it but for the keyword's case. */
function partitionKey(fold: Fold, node: CreateNode, table: string): string | null {
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
  return qualify(fold, 'partition key', `${strategy} (${keys.join(', ')})`, table)
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
