import type { Catalog, Table } from '../catalog/model.ts'
import { neededNames } from '../print/needed-names.ts'
import type { ParsedObject } from '../print/order-objects.ts'
import { addConstraintStatement } from '../print/print-constraint.ts'
import type { Changes } from './changes.ts'
import { markGenerated } from './mark-generated.ts'
import { namesIn } from './names-in.ts'
import { remadeColumns, touchedColumns } from './touched-columns.ts'

/** Properties of a routine that CREATE OR REPLACE can set. */
const REPLACEABLE = new Set(
  'body volatility parallel securityDefiner strict leakproof settings cost rows language'.split(' '),
)
/** What ALTER can do to a view, or what is no part of its definition. */
const ALTERABLE_OF_VIEW = new Set(
  'securityInvoker securityBarrier options grants owner comment columnComments columnDefaults withData'.split(' '),
)
const ALTERABLE_OF_TRIGGER = new Set(['enabled', 'comment'])
const OUTSIDE = new Set(['grants', 'owner', 'comment'])

/**
 * Finds what has to be dropped and made again: what cannot be altered, and everything that stands on something that is
 * dropped, made again or has its type changed. Adds it to `changes.remade`.
 */
export function markRemade(changes: Changes, left: Catalog, objects: readonly ParsedObject[]): void {
  for (const { object } of objects) {
    if (cannotBeAltered(changes, object.object, object.kind)) changes.remade.add(object.object)
  }
  const candidates = [...objects.filter(({ object }) => DEPENDENT.has(object.kind)).map(neededBy), ...checks(left)]
  // A generated column may call a function that is made again only for another one.
  for (let before = -1; before !== changes.remade.size;) {
    before = changes.remade.size
    markGenerated(changes, left)
    for (const [key, table] of left.tables) markParts(changes, left, key, table)
    markDependents(changes, left, candidates)
  }
}

function cannotBeAltered(changes: Changes, object: string, kind: string): boolean {
  const properties = [...changes.properties(object)]
  const allBut = (alterable: ReadonlySet<string>) => properties.some((property) => !alterable.has(property))
  switch (kind) {
    case 'function':
      return allBut(new Set([...REPLACEABLE, ...OUTSIDE]))
    case 'view':
      return allBut(ALTERABLE_OF_VIEW)
    case 'trigger':
      return allBut(ALTERABLE_OF_TRIGGER)
    case 'rule':
      return properties.includes('definition')
    case 'policy':
    case 'index':
    case 'statistics':
    case 'publication':
      return allBut(OUTSIDE)
    case 'other':
      // What it sorts is sorted anew with it: columns, indexes and keys of their owners.
      return !object.startsWith('other collation ') && allBut(new Set([...OUTSIDE, 'digests']))
    case 'constraint':
      return isConstraintRemade(changes, object)
    default:
      return object.startsWith('event trigger ') && allBut(new Set(['enabled', ...OUTSIDE]))
  }
}

/** A constraint that is only to be validated, or whose triggers are switched off, stays. */
function isConstraintRemade(changes: Changes, object: string): boolean {
  const isKept = (property: string) => property === 'comment' || property === 'disabledOn'
  const properties = new Set([...changes.properties(object)].filter((property) => !isKept(property)))
  if (properties.size === 0) return false
  const difference = changes.differences.find((own) => own.object === object && own.property === 'validated')
  const onlyValidated = [...properties].every((property) => property === 'validated' || property === 'definition')
  return !(difference?.right === true && onlyValidated && isSameButNotValid(changes, object))
}

function isSameButNotValid(changes: Changes, object: string): boolean {
  const definition = changes.differences.find((own) => own.object === object && own.property === 'definition')
  return definition === undefined || String(definition.left).replace(/ NOT VALID$/i, '') === definition.right
}

/** Constraints and indexes inside a table, and foreign keys to a key or column that changes. */
function markParts(changes: Changes, left: Catalog, key: string, table: Table): void {
  for (const { name } of table.constraints.values()) {
    const object = `constraint ${name} on ${key}`
    if (isConstraintRemade(changes, object)) changes.remade.add(object)
  }
  const touched = touchedColumns(changes, key, table)
  const recreated = remadeColumns(changes, key, table)
  for (const constraint of table.constraints.values()) {
    if (constraint.columns.some((name) => recreated.includes(name)))
      changes.remade.add(`constraint ${constraint.name} on ${key}`)
    if (constraint.kind === 'foreign key' && constraint.columns.some((name) => touched.has(name))) {
      changes.remade.add(`constraint ${constraint.name} on ${key}`)
    }
  }
  for (const index of table.indexes.values()) {
    const columns = [...index.keys.map(({ column }) => column), ...index.include]
    const hasExpression = index.keys.some(({ expression }) => expression !== null) || index.predicate !== null
    if (recreated.some((name) => columns.includes(name) || hasExpression))
      changes.remade.add(`index ${index.name} on ${key}`)
  }
  if (touched.size > 0 || hasKeyChanged(changes, key, table)) markForeignKeysTo(changes, left, key)
}

function hasKeyChanged(changes: Changes, key: string, table: Table): boolean {
  return [...table.constraints.values()].some(({ name, kind }) => {
    const object = `constraint ${name} on ${key}`
    return (kind === 'primary key' || kind === 'unique') && (changes.isGone(object) || changes.remade.has(object))
  })
}

function markForeignKeysTo(changes: Changes, left: Catalog, target: string): void {
  for (const [key, table] of left.tables) {
    for (const { name, references } of table.constraints.values()) {
      if (references === target) changes.remade.add(`constraint ${name} on ${key}`)
    }
  }
}

/** Kinds that PostgreSQL refuses to lose the ground under. */
const DEPENDENT = new Set([
  'other',
  'view',
  'policy',
  'trigger',
  'rule',
  'statistics',
  'publication',
  'index',
  'function',
])

function markDependents(changes: Changes, left: Catalog, candidates: readonly Candidate[]): void {
  const lost = new Set<string>()
  const columns = new Map<string, ReadonlySet<string>>()
  for (const [key, table] of left.tables) {
    const touched = touchedColumns(changes, key, table)
    if (changes.isGone(`table ${key}`) || hasKeyChanged(changes, key, table)) lost.add(key)
    else if (touched.size > 0) columns.set(key, touched)
  }
  for (const map of ['types', 'sequences'] as const) {
    for (const key of left[map].keys()) if (changes.isGone(`${map.slice(0, -1)} ${key}`)) lost.add(key)
  }
  const isShaken = ({ needs, text }: Candidate) =>
    needs.some((name) => lost.has(name) || [...(columns.get(name) ?? [])].some((column) => text.includes(column)))
  for (let before = -1; before !== lost.size + changes.remade.size;) {
    before = lost.size + changes.remade.size
    for (const candidate of candidates) {
      const { object, defines } = candidate
      if (isShaken(candidate) && !changes.isGone(object)) changes.remade.add(object)
      if (changes.isGone(object) || changes.remade.has(object)) for (const name of defines) lost.add(name)
    }
  }
}

interface Candidate {
  readonly object: string
  readonly text: string
  readonly defines: readonly string[]
  readonly needs: readonly string[]
}

function neededBy({ object, statements }: ParsedObject): Candidate {
  const needs = new Set(statements.flatMap(({ node }) => [...neededNames(node)]))
  for (const name of object.defines) needs.delete(name)
  // What belongs to a table goes and comes with it; only what looks at it from elsewhere, or at its columns, is in the way.
  if (object.kind === 'index' && object.owner !== null) needs.delete(object.owner)
  const defines = ['function', 'other', 'view'].includes(object.kind) ? object.defines : []
  return { object: object.object, text: object.statements.join('\n'), defines, needs: [...needs] }
}

/** Checks and keys stand inside CREATE TABLE: they are looked at one by one. */
function checks(catalog: Catalog): Candidate[] {
  return [...catalog.tables].flatMap(([key, table]) =>
    [...table.constraints.values()]
      .filter(({ kind }) => kind === 'check' || kind === 'exclude')
      .map((constraint) => {
        const text = addConstraintStatement(table, constraint)
        const needs = namesIn(text)
        needs.delete(key)
        return { object: `constraint ${constraint.name} on ${key}`, text, defines: [], needs: [...needs] }
      }),
  )
}
