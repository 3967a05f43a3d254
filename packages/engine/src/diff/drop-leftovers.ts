import { quoteIdentifier } from '../bundle/quote.ts'
import type { Catalog } from '../catalog/model.ts'
import { neededNames } from '../print/needed-names.ts'
import type { ParsedObject } from '../print/order-objects.ts'
import { otherTarget } from '../print/print-other.ts'
import { routineTarget } from '../print/print-routine.ts'
import { qualified } from '../print/sql-text.ts'
import { viewTarget } from '../print/print-view.ts'
import { dropGeneratedColumns } from './alter-columns.ts'
import type { Changes } from './changes.ts'
import { byHand, statement, type DiffStatement } from './diff-statement.ts'
import { mustGo } from './loosen.ts'

interface Catalogs {
  readonly left: Catalog
  readonly right: Catalog
}

/** Third stage: drops what only the left side has, the last made first. */
export function dropLeftovers(changes: Changes, catalogs: Catalogs, objects: readonly ParsedObject[]): DiffStatement[] {
  const early = objectsInTheWay(changes, catalogs, objects)
  const found: DiffStatement[] = []
  const seen = new Set<string>(early)
  for (const { object } of objects.toReversed()) {
    const isOther = ['grants', 'comments', 'views'].includes(object.section) || object.phase === 'sequence owners'
    if (isOther || seen.has(object.object) || !changes.isGone(object.object)) continue
    seen.add(object.object)
    found.push(...dropObject(catalogs.left, object.object))
  }
  return found
}

/**
 * The end of the first stage: views and what is made again, generated columns, and what would disturb what is made, with
 * all that stands on it; the last made first.
 */
export function clearTheWay(changes: Changes, catalogs: Catalogs, objects: readonly ParsedObject[]): DiffStatement[] {
  const early = objectsInTheWay(changes, catalogs, objects)
  return objects.toReversed().flatMap(({ object }) => {
    if (object.kind === 'table' && object.phase === 'tables' && !early.has(object.object))
      return dropGeneratedColumns(changes, catalogs, object.object.slice('table '.length))
    if (object.section !== 'views' && object.section !== 'functions' && !early.has(object.object)) return []
    if (object.phase === 'sequence owners' || !mustGo(changes, object.object)) return []
    if (object.section === 'views') return dropView(catalogs, object.object)
    if (!changes.remade.has(object.object))
      return early.has(object.object) ? dropObject(catalogs.left, object.object) : []
    const routine = catalogs.left.functions.get(object.object.slice('function '.length))
    return routine ? statement(object.object, `drop ${routineTarget(routine)}`) : []
  })
}

function dropView({ left, right }: Catalogs, object: string): DiffStatement[] {
  const key = object.slice('view '.length)
  const view = left.views.get(key)
  if (!view) return []
  const sql = `drop ${viewTarget(view)}`
  return [
    right.views.has(key) ? statement(object, sql) : statement(object, sql, 'breaks clients', 'whoever reads it fails'),
  ]
}

function objectsInTheWay(changes: Changes, catalogs: Catalogs, objects: readonly ParsedObject[]): Set<string> {
  const gone = objects.filter(({ object }) => changes.isGone(object.object))
  const found = new Set(gone.map(({ object }) => object.object).filter((object) => isInTheWay(catalogs, object)))
  const names = new Set(
    objects
      .filter(({ object }) => found.has(object.object) || changes.remade.has(object.object))
      .flatMap(({ object }) => object.defines),
  )
  for (let before = -1; before !== found.size;) {
    before = found.size
    for (const { object, statements } of gone) {
      const needs = statements.flatMap(({ node }) => [...neededNames(node)])
      if (!needs.some((name) => names.has(name) && !object.defines.includes(name))) continue
      found.add(object.object)
      for (const name of object.defines) names.add(name)
    }
  }
  return found
}

/** Relations and types share their names; a call must not find two routines; a table passes on what it gets to its children. */
function isInTheWay({ left, right }: Catalogs, object: string): boolean {
  const key = object.slice(object.indexOf(' ') + 1)
  const routine = object.startsWith('function ') ? left.functions.get(key) : undefined
  if (routine) {
    return [...right.functions.values()].some(({ schema, name }) => schema === routine.schema && name === routine.name)
  }
  if (!/^(table|sequence|type) /.test(object)) return false
  if (object.startsWith('table ') && (left.tables.get(key)?.inherits ?? []).length > 0) return true
  return [right.tables, right.views, right.sequences, right.types].some((map) => map.has(key))
}

export function dropObject(left: Catalog, object: string): DiffStatement[] {
  const space = object.indexOf(' ')
  const [kind, key] = [object.slice(0, space), object.slice(space + 1)]
  switch (kind) {
    case 'table': {
      const table = left.tables.get(key)
      return table
        ? [statement(object, `drop table ${qualified(table)}`, 'data loss', 'the rows of the table are lost')]
        : []
    }
    case 'sequence': {
      const sequence = left.sequences.get(key)
      // One that a column owns went with the column or its table.
      if (!sequence) return []
      const exists = sequence.ownedBy === null ? '' : 'if exists '
      return [
        statement(
          object,
          `drop sequence ${exists}${qualified(sequence)}`,
          'data loss',
          'the number it has reached is lost',
        ),
      ]
    }
    case 'function': {
      const routine = left.functions.get(key)
      return routine
        ? [statement(object, `drop ${routineTarget(routine)}`, 'breaks clients', 'whoever calls it fails')]
        : []
    }
    case 'type': {
      const type = left.types.get(key)
      return type
        ? [
            statement(
              object,
              `drop ${type.kind === 'domain' ? 'domain' : 'type'} ${qualified(type)}`,
              'breaks clients',
              'whoever names it fails',
            ),
          ]
        : []
    }
    case 'extension':
      return [
        statement(
          object,
          `drop extension ${quoteIdentifier(key)}`,
          'breaks clients',
          'its functions and types are gone',
        ),
      ]
    case 'schema':
      return [statement(object, `drop schema ${quoteIdentifier(key)}`, 'breaks clients', 'whoever names it fails')]
    case 'other': {
      const other = left.others.get(key)
      if (!other) return []
      if (other.kind === 'base type')
        return [byHand(object, 'it is gone, together with the functions that it is made of')]
      return [statement(object, `drop ${otherTarget(other)}`, 'breaks clients', 'whoever uses it fails')]
    }
    default:
      return []
  }
}
