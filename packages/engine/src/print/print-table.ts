import { quoteIdentifier } from '../bundle/quote.ts'
import type { Catalog, Column, Table } from '../catalog/model.ts'
import { constraintClause, isInsideTable } from './print-constraint.ts'
import { unplaced, type UnplacedObject } from './printed-object.ts'
import { inParentheses, lowerCase, qualified, quoteKey } from './sql-text.ts'

export function printTable(catalog: Catalog, table: Table): UnplacedObject {
  const key = `${table.schema}.${table.name}`
  const place = { section: 'tables', phase: 'tables' } as const
  return unplaced(`table ${key}`, table.schema, place, tableStatements(catalog, table), { defines: [key] })
}

/**
 * A partition is made as a table and attached, so that its keys keep the names that they have: those that PostgreSQL
 * would choose depend on what came before.
 */
export function tableStatements(catalog: Catalog, table: Table): string[] {
  const parent = table.partitionOf === null ? undefined : catalog.tables.get(table.partitionOf)
  const entries = [
    ...[...table.columns.values()].map((column) => columnClause(parent ? withoutIdentity(column) : column)),
    ...[...table.constraints.values()].filter(isInsideTable).map(constraintClause),
  ]
  const kind = table.unlogged ? 'unlogged table' : 'table'
  const list = entries.length === 0 ? '()' : `(\n  ${entries.join(',\n  ')}\n)`
  const partitioned = table.partitionKey === null ? '' : ` partition by ${lowerCase(table.partitionKey)}`
  const create = `create ${kind} ${qualified(table)} ${list}${partitioned}`
  return parent ? [create, attachStatement(table)] : [create]
}

export function attachStatement(table: Table): string {
  const bound = lowerCase(table.partitionBound ?? 'default')
  return `alter table ${quoteKey(table.partitionOf ?? '')} attach partition ${qualified(table)} ${bound}`
}

/** A partition takes the identity of its parent over. */
function withoutIdentity(column: Column): Column {
  return column.identity === null ? column : { ...column, identity: null, notNull: true }
}

/** `id bigint generated always as identity`. */
export function columnClause(column: Column): string {
  return [
    quoteIdentifier(column.name),
    column.type,
    ...(column.collation === null ? [] : [`collate ${quoteKey(column.collation)}`]),
    ...(column.identity === null ? [] : [`generated ${column.identity} as identity`]),
    ...(column.generated === null ? [] : [generatedClause(column.generated)]),
    ...(column.default === null ? [] : [`default ${lowerCase(column.default)}`]),
    ...(column.notNull && column.identity === null ? ['not null'] : []),
  ].join(' ')
}

export function generatedClause(generated: string): string {
  const virtual = generated.endsWith(' virtual')
  const expression = virtual ? generated.slice(0, -' virtual'.length) : generated
  return `generated always as ${inParentheses(lowerCase(expression))} ${virtual ? 'virtual' : 'stored'}`
}

/** Row level security, as statements; nothing when it is off. */
export function rlsStatements(table: Table): string[] {
  return [
    ...(table.rlsEnabled ? [`alter table ${qualified(table)} enable row level security`] : []),
    ...(table.rlsForced ? [`alter table ${qualified(table)} force row level security`] : []),
  ]
}
