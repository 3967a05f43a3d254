import { quoteIdentifier, quoteLiteral } from '../../bundle/quote.ts'
import type { Column, Table } from '../../catalog/model.ts'
import { indexStatement } from '../../print/print-index.ts'
import { classOf, isAppendOnly, isProtected, nameOf, ownerOf, retentionOf } from '../../verify/context.ts'
import { parseTags } from '../../verify/tags.ts'
import { add, advise, describeColumn, type Drafting } from './addition.ts'
import { hasParent, plannedScope } from './scope.ts'
import { quoteKey } from '../../print/sql-text.ts'
import { columnKey } from './names.ts'

/** What the policy says of tables, said by the tables themselves; and rows of a protected class that are never deleted. */
export function addCompliance(draft: Drafting): void {
  for (const table of draft.catalog.tables.values()) {
    if (table.partitionOf !== null || draft.policy.ignoredSchemas.includes(table.schema)) continue
    tagTable(table, draft)
    for (const column of table.columns.values()) tagColumn(table, column, draft)
    if (isProtected(table, draft) && !isAppendOnly(table, draft)) addSoftDelete(table, draft)
  }
}

function tagTable(table: Table, draft: Drafting): void {
  const name = nameOf(table)
  const tags = parseTags(table.comment)
  const stated = {
    class: classOf(table, draft),
    scope: plannedScope(table, draft),
    owner: ownerOf(table, draft),
    retention: retentionOf(table, draft),
  }
  if (stated.class === null)
    advise(draft, 'comments-complete', `table ${name}`, 'has no class: state it in policy.tables')
  if (stated.retention === null && isProtected(table, draft))
    advise(
      draft,
      'retention-declared',
      `table ${name}`,
      'does not say how long rows are kept: state it in policy.tables',
    )
  const missing = Object.entries(stated).filter(([tag, value]) => value !== null && !tags.has(tag))
  if (missing.length === 0 && tags.has('about')) return
  const about = tags.size > 0 ? table.comment : `about=${table.comment ?? wordsOf(table.name)}`
  const text = `${missing.map(([tag, value]) => `${tag}=${value};`).join('')}${about}`
  add(draft, 'comments-complete', `table ${name}`, `comment on table ${quoteKey(name)} is ${quoteLiteral(text)}`)
}

function tagColumn(table: Table, { name, comment }: Column, draft: Drafting): void {
  if (parseTags(comment).has('about')) return
  const column = `${quoteKey(nameOf(table))}.${quoteIdentifier(name)}`
  const text = `about=${comment ?? wordsOf(name)}`
  add(
    draft,
    'comments-complete',
    `column ${nameOf(table)}.${name}`,
    `comment on column ${column} is ${quoteLiteral(text)}`,
  )
}

/** `next_of_kin_id` is no description, but it is what there is. */
function wordsOf(name: string): string {
  const words = name.replace(/_+/g, ' ').trim()
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}.`
}

/** A value that a removed row holds may be used again: unique keys hold for the rows that are left. */
function addSoftDelete(table: Table, draft: Drafting): void {
  const name = nameOf(table)
  const column = draft.policy.softDeleteColumn
  if (table.columns.has(column) || hasParent(table, draft)) return
  add(
    draft,
    'soft-delete-unique',
    `column ${name}.${column}`,
    `alter table ${quoteKey(name)} add column ${quoteIdentifier(column)} timestamptz`,
  )
  describeColumn(draft, name, column, 'When the row was taken out of use.')
  const predicate = `(${quoteIdentifier(column)} is null)`
  for (const key of table.constraints.values()) {
    if (
      key.kind !== 'unique' ||
      table.partitionKey !== null ||
      key.deferrable ||
      isReferenced(name, key.columns, draft)
    )
      continue
    const index = table.indexes.get(key.name)
    if (!index) continue
    const keys =
      draft.options.tenant && !key.columns.includes(draft.policy.tenantColumn)
        ? [columnKey(draft.policy.tenantColumn)]
        : []
    add(
      draft,
      'soft-delete-unique',
      `constraint ${key.name} on ${name}`,
      `alter table ${quoteKey(name)} drop constraint ${quoteIdentifier(key.name)}`,
      indexStatement(draft.catalog, table, {
        ...index,
        keys: [...keys, ...index.keys],
        fromConstraint: false,
        predicate,
      }),
    )
  }
}

/** A foreign key needs a key that holds for every row. */
function isReferenced(table: string, columns: readonly string[], { catalog }: Drafting): boolean {
  return [...catalog.tables.values()].some((other) =>
    [...other.constraints.values()].some(
      ({ references, referencedColumns }) =>
        references === table && referencedColumns.toSorted().join() === columns.toSorted().join(),
    ),
  )
}
