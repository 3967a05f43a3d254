import { quoteIdentifier } from '../bundle/quote.ts'
import type { Catalog, Table, View } from '../catalog/model.ts'
import { routineTarget } from './print-routine.ts'
import { inheritedTrigger } from './print-trigger.ts'
import { viewTarget } from './print-view.ts'
import { unplaced, type UnplacedObject } from './printed-object.ts'
import { commentStatement, qualified } from './sql-text.ts'

/** A thing that can carry a comment: how COMMENT ON names it, and what it says. */
export interface Commented {
  readonly target: string
  readonly comment: string | null
}

const PLACE = { section: 'comments', phase: 'comments' } as const

/** The comments of a catalog, those of a table and its parts together. */
export function printComments(catalog: Catalog): UnplacedObject[] {
  return [...commentedObjects(catalog)].flatMap(([object, { schema, parts }]) => {
    const statements = parts
      .filter(({ comment }) => comment !== null || object === 'schema public')
      .map(({ target, comment }) => commentStatement(target, comment))
    return statements.length > 0 ? unplaced(object, schema, PLACE, statements) : []
  })
}

/** What a new database says about its own schema. */
const COMMENT_OF_PUBLIC = 'standard public schema'

function commentedObjects(catalog: Catalog): Map<string, { schema: string; parts: Commented[] }> {
  const found = new Map<string, { schema: string; parts: Commented[] }>()
  for (const { name, comment } of catalog.schemas.values()) {
    const isStandard = name === 'public' && comment === COMMENT_OF_PUBLIC
    const parts = isStandard ? [] : [{ target: `schema ${quoteIdentifier(name)}`, comment }]
    found.set(`schema ${name}`, { schema: name, parts })
  }
  for (const [key, type] of catalog.types) {
    const target = `${type.kind === 'domain' ? 'domain' : 'type'} ${qualified(type)}`
    found.set(`type ${key}`, { schema: type.schema, parts: [{ target, comment: type.comment }] })
  }
  for (const [key, sequence] of catalog.sequences) {
    const target = `sequence ${qualified(sequence)}`
    found.set(`sequence ${key}`, { schema: sequence.schema, parts: [{ target, comment: sequence.comment }] })
  }
  for (const [key, routine] of catalog.functions) {
    const parts = [{ target: routineTarget(routine), comment: routine.comment }]
    found.set(`function ${key}`, { schema: routine.schema, parts })
  }
  for (const [key, table] of catalog.tables) {
    found.set(`table ${key}`, { schema: table.schema, parts: commentsOfTable(catalog, table) })
  }
  for (const [key, view] of catalog.views) {
    const parts = [{ target: viewTarget(view), comment: view.comment }, ...commentsOfParts(catalog, view)]
    found.set(`view ${key}`, { schema: view.schema, parts })
  }
  return found
}

function commentsOfTable(catalog: Catalog, table: Table): Commented[] {
  const columns = [...table.columns.values()].map(({ name, comment }) => ({
    target: `column ${qualified(table)}.${quoteIdentifier(name)}`,
    comment,
  }))
  return [
    { target: `table ${qualified(table)}`, comment: table.comment },
    ...columns,
    ...commentsOfParts(catalog, table),
  ]
}

function commentsOfParts(catalog: Catalog, owner: Table | View): Commented[] {
  const on = (kind: string, items: Iterable<{ readonly name: string; readonly comment: string | null }>) =>
    [...items].map(({ name, comment }) => ({
      target: `${kind} ${quoteIdentifier(name)} on ${qualified(owner)}`,
      comment,
    }))
  const indexes = [...owner.indexes.values()].map((index) => ({
    target: `index ${qualified({ schema: owner.schema, name: index.name })}`,
    comment: index.comment,
  }))
  if (!('columns' in owner && 'policies' in owner)) return indexes
  const triggers = [...owner.triggers.values()].filter(
    (trigger) => trigger.comment !== inheritedTrigger(catalog, owner, trigger)?.comment,
  )
  return [
    ...on('constraint', owner.constraints.values()),
    ...indexes,
    ...on('trigger', triggers),
    ...on('policy', owner.policies.values()),
  ]
}
