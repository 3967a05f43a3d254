import { quoteIdentifier } from '../bundle/quote.ts'
import { chooseName } from '../catalog/files/choose-name.ts'
import type { Catalog, Column, Constraint, Table } from '../catalog/model.ts'
import { addConstraintStatement, constraintClause, isInsideTable, repeatsKey } from './print-constraint.ts'
import { countingClauses } from './print-sequence.ts'
import { unplaced, type UnplacedObject } from './printed-object.ts'
import { inParentheses, lowerCase, optionText, qualified, quoteKey, withOptions } from './sql-text.ts'

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
  const constraints = [...table.constraints.values()].filter(
    (constraint) => isInsideTable(constraint) && !isInherited(catalog, table, constraint),
  )
  const repeated = constraints.filter((constraint) => repeatsKey(table, constraint))
  const entries = [
    ...[...table.columns.values()].map((column) =>
      columnClause(table, parent ? withoutIdentity(column) : ownPart(catalog, table, column)),
    ),
    ...constraints
      .filter((constraint) => !repeated.includes(constraint))
      .map((constraint) => constraintClause(table, constraint)),
  ]
  const kind = table.unlogged ? 'unlogged table' : 'table'
  const list = entries.length === 0 ? '()' : `(\n  ${entries.join(',\n  ')}\n)`
  const partitioned = table.partitionKey === null ? '' : ` partition by ${lowerCase(table.partitionKey)}`
  const inherits = table.inherits.length === 0 ? '' : ` inherits (${table.inherits.map(quoteKey).join(', ')})`
  const options = table.options.length === 0 ? '' : withOptions(table.options)
  const create = `create ${kind} ${qualified(table)} ${list}${inherits}${partitioned}${options}`
  const keys = repeated.map((constraint) => addConstraintStatement(table, constraint))
  return [create, ...keys, ...(parent ? [attachStatement(table)] : [])]
}

/**
 * What a column can have and CREATE TABLE cannot say on every version. It comes behind all tables: those that inherit
 * would take some of it over.
 */
export function printColumnSettings(table: Table): UnplacedObject[] {
  const statements = [...table.columns.values()].flatMap((column) => columnSettings(table, column))
  const place = { section: 'tables', phase: 'rules' } as const
  return statements.length > 0
    ? [
        unplaced(`table ${table.schema}.${table.name}`, table.schema, place, statements, {
          owner: `${table.schema}.${table.name}`,
        }),
      ]
    : []
}

export function columnSettings(table: Table, column: Column): string[] {
  const alter = `alter table only ${qualified(table)} alter column ${quoteIdentifier(column.name)} set`
  return [
    ...(column.storage === null ? [] : [`${alter} storage ${column.storage}`]),
    ...(column.compression === null ? [] : [`${alter} compression ${column.compression}`]),
    ...(column.statistics === null ? [] : [`${alter} statistics ${column.statistics}`]),
    ...(column.options.length === 0 ? [] : [`${alter} (${column.options.map(optionText).join(', ')})`]),
  ]
}

/** PostgreSQL does not always find a check equal to the one that it has printed itself. */
function isInherited(catalog: Catalog, table: Table, { name, kind }: Constraint): boolean {
  return table.inherits.some(
    (parent) => kind === 'check' && catalog.tables.get(parent)?.constraints.get(name)?.kind === kind,
  )
}

/** A partition that takes everything from its parent. */
export function partitionOfStatement(table: Table): string {
  const bound = lowerCase(table.partitionBound ?? 'default')
  const partitioned = table.partitionKey === null ? '' : ` partition by ${lowerCase(table.partitionKey)}`
  return `create table ${qualified(table)} partition of ${quoteKey(table.partitionOf ?? '')} ${bound}${partitioned}`
}

export function attachStatement(table: Table): string {
  const bound = lowerCase(table.partitionBound ?? 'default')
  return `alter table ${quoteKey(table.partitionOf ?? '')} attach partition ${qualified(table)} ${bound}`
}

/** How a column is generated comes from the parent; PostgreSQL 15 refuses to be told again. */
function ownPart(catalog: Catalog, table: Table, column: Column): Column {
  const isInherited = table.inherits.some((parent) => {
    const above = catalog.tables.get(parent)?.columns.get(column.name)
    return above !== undefined && above.generated === column.generated
  })
  return isInherited ? { ...column, generated: null } : column
}

/** A partition takes the identity of its parent over. */
function withoutIdentity(column: Column): Column {
  return column.identity === null ? column : { ...column, identity: null, notNull: true }
}

/** `id bigint generated always as identity`. */
export function columnClause(table: Table, column: Column): string {
  return [
    quoteIdentifier(column.name),
    column.type,
    ...(column.collation === null ? [] : [`collate ${quoteKey(column.collation)}`]),
    ...(column.identity === null ? [] : [identityClause(table, column)]),
    ...(column.generated === null ? [] : [generatedClause(column.generated)]),
    ...(column.default === null ? [] : [`default ${lowerCase(column.default)}`]),
    ...(column.notNull && column.unvalidatedNotNull === null && column.identity === null ? ['not null'] : []),
  ].join(' ')
}

function identityClause(table: Table, column: Column): string {
  const sequence = column.identitySequence
  const usual = `${table.schema}.${chooseName(table.name, [column.name], 'seq', () => false)}`
  const options = [
    ...(sequence === null || sequence.name === usual ? [] : [`sequence name ${quoteKey(sequence.name)}`]),
    ...(sequence === null ? [] : countingClauses(sequence, column.type)),
  ]
  return `generated ${column.identity} as identity${options.length > 0 ? ` (${options.join(' ')})` : ''}`
}

export function generatedClause(generated: string): string {
  const virtual = generated.endsWith(' virtual')
  const expression = virtual ? generated.slice(0, -' virtual'.length) : generated
  return `generated always as ${inParentheses(lowerCase(expression))} ${virtual ? 'virtual' : 'stored'}`
}

/** Null for the usual one. It may name an index, so it comes behind those. */
export function printReplicaIdentity(table: Table): UnplacedObject | null {
  if (table.replicaIdentity === 'default') return null
  const object = `table ${table.schema}.${table.name}`
  return unplaced(object, table.schema, { section: 'tables', phase: 'rules' }, [replicaIdentityStatement(table)], {
    owner: `${table.schema}.${table.name}`,
  })
}

export function replicaIdentityStatement(table: Table): string {
  const [word = '', ...name] = table.replicaIdentity.split(' ')
  const identity = word === 'index' ? `using index ${quoteIdentifier(name.join(' '))}` : word
  return `alter table ${qualified(table)} replica identity ${identity}`
}

/** Row level security, as statements; nothing when it is off. */
export function rlsStatements(table: Table): string[] {
  return [
    ...(table.rlsEnabled ? [`alter table ${qualified(table)} enable row level security`] : []),
    ...(table.rlsForced ? [`alter table ${qualified(table)} force row level security`] : []),
  ]
}
