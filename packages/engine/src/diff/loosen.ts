import { quoteIdentifier } from '../bundle/quote.ts'
import type { Catalog, Table } from '../catalog/model.ts'
import type { ParsedObject } from '../print/order-objects.ts'
import { isInsideTable } from '../print/print-constraint.ts'
import { inheritedTrigger } from '../print/print-trigger.ts'
import { lowerCase, qualified, quoteKey } from '../print/sql-text.ts'
import type { Changes } from './changes.ts'
import { statement, type DiffStatement } from './diff-statement.ts'
import { namesIn } from './names-in.ts'

/** In this order nothing that is dropped is still stood on by something of the list. */
const ORDER = [
  'inheritance',
  'event',
  'publication',
  'policy',
  'trigger',
  'rule',
  'statistics',
  'constraint',
  'index',
  'default',
]

/**
 * First stage: drops parts of tables that are in the way of what follows: policies, triggers, keys, indexes, defaults.
 * Views and routines come next, tables, columns and what nobody stands on at the end.
 */
export function loosen(
  changes: Changes,
  left: Catalog,
  right: Catalog,
  objects: readonly ParsedObject[],
): DiffStatement[] {
  const found = new Map<string, DiffStatement[]>()
  const add = (kind: string, ...statements: DiffStatement[]) =>
    found.set(kind, [...(found.get(kind) ?? []), ...statements])
  for (const { object } of objects.toReversed()) {
    if (!mustGo(changes, object.object) || object.section === 'grants' || object.section === 'comments') continue
    const kind = object.kind
    if (kind === 'constraint' || !ORDER.includes(kind) || goesWithOwner(changes, object.owner, kind)) continue
    add(kind, ...dropOf(left, object.object, object.owner))
  }
  for (const [key, table] of left.tables) add('inheritance', ...leaveParents(right, key, table))
  for (const [key, table] of left.tables) add('constraint', ...dropConstraints(changes, left, key, table))
  add('default', ...dropDefaults(changes, left))
  return ORDER.flatMap((kind) => found.get(kind) ?? [])
}

export function mustGo(changes: Changes, object: string): boolean {
  return changes.isGone(object) || changes.remade.has(object)
}

/** Policies and rules may look at other tables, which then could not be dropped before their own. */
function goesWithOwner(changes: Changes, owner: string | null, kind: string): boolean {
  if (owner === null || kind === 'policy' || kind === 'rule') return owner !== null && mustGo(changes, `view ${owner}`)
  return changes.isGone(`table ${owner}`) || mustGo(changes, `view ${owner}`)
}

function dropOf(left: Catalog, object: string, owner: string | null): DiffStatement[] {
  const [kind = ''] = object.split(' ')
  const rest = object.slice(kind.length + 1)
  const name = owner === null ? rest : rest.slice(0, -` on ${owner}`.length)
  const again = (text: string, reason: string) => [statement(object, text, 'breaks clients', reason)]
  switch (kind) {
    case 'event':
      return [statement(object, `drop event trigger ${quoteIdentifier(rest.slice('trigger '.length))}`)]
    case 'publication':
      return again(`drop publication ${quoteIdentifier(rest)}`, 'subscribers stop receiving')
    case 'policy':
    case 'rule':
      return [statement(object, `drop ${kind} ${quoteIdentifier(name)} on ${quoteKey(owner ?? '')}`)]
    case 'trigger': {
      const table = left.tables.get(owner ?? '')
      const trigger = table?.triggers.get(name)
      if (table && trigger && inheritedTrigger(left, table, trigger)) return []
      return [statement(object, `drop trigger ${quoteIdentifier(name)} on ${quoteKey(owner ?? '')}`)]
    }
    case 'statistics':
      return [statement(object, `drop statistics ${quoteKey(rest)}`)]
    case 'index':
      return isInheritedIndex(left, owner ?? '', name)
        ? []
        : [statement(object, `drop index ${qualified({ schema: (owner ?? '').split('.')[0] ?? '', name })}`)]
    default:
      return []
  }
}

/** It goes with the index of the partitioned table. */
export function isInheritedIndex(catalog: Catalog, key: string, name: string): boolean {
  const table = catalog.tables.get(key)
  const own = table?.indexes.get(name)
  const parent = table?.partitionOf ? catalog.tables.get(table.partitionOf) : undefined
  if (!parent || !own) return false
  const shape = JSON.stringify([own.unique, own.method, own.keys, own.predicate])
  return [...parent.indexes.values()].some(
    (index) => JSON.stringify([index.unique, index.method, index.keys, index.predicate]) === shape,
  )
}

function dropConstraints(changes: Changes, left: Catalog, key: string, table: Table): DiffStatement[] {
  const isTableGone = changes.isGone(`table ${key}`)
  const constraints = [...table.constraints.values()].filter((constraint) => {
    const object = `constraint ${constraint.name} on ${key}`
    // Two tables that are dropped may point at each other.
    if (isTableGone) return constraint.kind === 'foreign key' && constraint.references !== key
    return mustGo(changes, object) && !isInheritedConstraint(left, table, constraint.name)
  })
  // Foreign keys stand on the keys of others.
  return constraints
    .toSorted((a, b) => Number(isInsideTable(a)) - Number(isInsideTable(b)))
    .map(({ name }) =>
      statement(
        `constraint ${name} on ${key}`,
        `alter table ${qualified(table)} drop constraint ${quoteIdentifier(name)}`,
      ),
    )
}

/** Before the parent changes: it would pass that on. */
function leaveParents(right: Catalog, key: string, table: Table): DiffStatement[] {
  const kept = right.tables.get(key)?.inherits ?? []
  return table.inherits
    .filter((parent) => !kept.includes(parent))
    .map((parent) => statement(`table ${key}`, `alter table ${qualified(table)} no inherit ${quoteKey(parent)}`))
}

export function isInheritedConstraint(catalog: Catalog, table: Table, name: string): boolean {
  const parent = table.partitionOf === null ? undefined : catalog.tables.get(table.partitionOf)
  const own = table.constraints.get(name)
  if (own?.kind === 'check' && table.inherits.some((key) => catalog.tables.get(key)?.constraints.has(name))) return true
  if (!parent || !own) return false
  return [...parent.constraints.values()].some(
    (constraint) =>
      constraint.kind === own.kind &&
      constraint.columns.join() === own.columns.join() &&
      constraint.references === own.references &&
      (own.kind !== 'check' || constraint.name === own.name),
  )
}

/** Defaults that call what is dropped or made again; those that stay are set again later. */
function dropDefaults(changes: Changes, left: Catalog): DiffStatement[] {
  const lost = [
    ...[...left.functions]
      .filter(([key]) => mustGo(changes, `function ${key}`))
      .map(([, { schema, name }]) => `${schema}.${name}`),
    ...[...left.sequences.keys()].filter((key) => changes.isGone(`sequence ${key}`)),
  ]
  if (lost.length === 0) return []
  return [...left.tables].flatMap(([key, table]) =>
    [...table.columns.values()].flatMap((column) => {
      const object = `column ${key}.${column.name}`
      if (column.default === null || changes.isGone(`table ${key}`)) return []
      const names = namesIn(`select ${lowerCase(column.default)}`)
      if (!lost.some((name) => names.has(name))) return []
      changes.remade.add(`default of ${object}`)
      return statement(
        object,
        `alter table ${qualified(table)} alter column ${quoteIdentifier(column.name)} drop default`,
      )
    }),
  )
}
