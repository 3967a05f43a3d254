import { quoteIdentifier } from '../bundle/quote.ts'
import type { Catalog, Column, Constraint, Table } from '../catalog/model.ts'
import { sqlTokens } from '../parse/split-sql.ts'
import { unplaced, type UnplacedObject } from './printed-object.ts'
import { lowerCase, qualified, withOptions } from './sql-text.ts'

/** `constraint t_pkey primary key (id)`, with the options of its index, which its definition does not have. */
export function constraintClause(table: Table, { name, definition }: Constraint): string {
  const text = lowerCase(definition)
  const index = table.indexes.get(name)
  const options = index?.fromConstraint && index.options.length > 0 ? withOptions(index.options) : ''
  const at = options === '' ? text.length : endOfKeys(text)
  return `constraint ${quoteIdentifier(name)} ${text.slice(0, at)}${options}${text.slice(at)}`
}

/** Where WHERE or DEFERRABLE begins behind the keys. */
function endOfKeys(text: string): number {
  const tokens = sqlTokens(text)
  const next = tokens.findIndex(({ text: word, depth }) => depth === 0 && (word === 'where' || word === 'deferrable'))
  return tokens[next - 1]?.end ?? text.length
}

export function addConstraintStatement(table: Table, constraint: Constraint): string {
  return `alter table ${qualified(table)} add ${constraintClause(table, constraint)}`
}

/** True for what CREATE TABLE can hold: no foreign key (its table may come later), nothing that is not validated. */
export function isInsideTable(constraint: Constraint): boolean {
  return constraint.kind !== 'foreign key' && constraint.kind !== 'not null' && constraint.validated
}

/** True for a key that says what one before it says, or the primary key: one statement makes only one of the two. */
export function repeatsKey(table: Table, constraint: Constraint): boolean {
  if (constraint.kind !== 'unique') return false
  const keys = [...table.constraints.values()]
  const earlier = keys.slice(0, keys.indexOf(constraint)).filter(({ kind }) => kind === 'unique')
  return [...keys.filter(({ kind }) => kind === 'primary key'), ...earlier].some(
    (other) => keyText(other) === keyText(constraint),
  )
}

/** A key without its kind. */
function keyText({ definition }: Constraint): string {
  return definition.replace(/^(?:PRIMARY KEY|UNIQUE)\s*/i, '')
}

/** What CREATE TABLE cannot hold, as statements of their own. */
export function printLateConstraint(table: Table, constraint: Constraint): UnplacedObject {
  const owner = `${table.schema}.${table.name}`
  const object = `constraint ${constraint.name} on ${owner}`
  const place = { section: 'constraints', phase: 'foreign keys' } as const
  return unplaced(object, table.schema, place, [addConstraintStatement(table, constraint)], { owner })
}

/** NOT NULL that holds for new rows alone. */
export function addNotNullStatement(table: Table, { name, unvalidatedNotNull }: Column): string {
  const constraint = quoteIdentifier(unvalidatedNotNull ?? '')
  return `alter table ${qualified(table)} add constraint ${constraint} not null ${quoteIdentifier(name)} not valid`
}

/** They come behind the rows, which may break them; those of a parent bring the same for its children along. */
export function printUnvalidatedNotNulls(catalog: Catalog, table: Table): UnplacedObject[] {
  const owner = `${table.schema}.${table.name}`
  const place = { section: 'constraints', phase: 'foreign keys' } as const
  return [...table.columns.values()]
    .filter((column) => column.unvalidatedNotNull !== null && !isNotNullOfParent(catalog, table, column))
    .map((column) =>
      unplaced(
        `constraint ${column.unvalidatedNotNull} on ${owner}`,
        table.schema,
        place,
        [addNotNullStatement(table, column)],
        { owner },
      ),
    )
}

function isNotNullOfParent(catalog: Catalog, table: Table, { name, unvalidatedNotNull }: Column): boolean {
  const parents = table.partitionOf === null ? table.inherits : [table.partitionOf]
  return parents.some(
    (parent) => catalog.tables.get(parent)?.columns.get(name)?.unvalidatedNotNull === unvalidatedNotNull,
  )
}
