import { quoteIdentifier } from '../bundle/quote.ts'
import type { Catalog, OtherObject, Table, View } from '../catalog/model.ts'
import { isUnprintable, otherTarget } from './print-other.ts'
import { routineTarget } from './print-routine.ts'
import { viewTarget } from './print-view.ts'
import { unplaced, type UnplacedObject } from './printed-object.ts'
import { commentStatement, qualified } from './sql-text.ts'

/** A thing that can carry a comment: how COMMENT ON names it, and what it says. */
export interface Commented {
  /** As differences name it; for what they do not tell apart, the object that it is a part of. */
  readonly object: string
  readonly target: string
  readonly comment: string | null
}

const PLACE = { section: 'comments', phase: 'comments' } as const

/** The comments of a catalog, those of a table and its parts together. */
export function printComments(catalog: Catalog): UnplacedObject[] {
  return [...commentedObjects(catalog)].flatMap(([object, { schema, parts }]) => {
    if (isUnprintable(catalog, object)) return []
    const statements = parts
      .filter(({ comment }) => comment !== null || object === 'schema public')
      .map(({ target, comment }) => commentStatement(target, comment))
    return statements.length > 0 ? unplaced(object, schema, PLACE, statements) : []
  })
}

/** What a new database says about its own schema. */
const COMMENT_OF_PUBLIC = 'standard public schema'

export function commentedObjects(catalog: Catalog): Map<string, { schema: string; parts: Commented[] }> {
  const found = new Map<string, { schema: string; parts: Commented[] }>()
  for (const { name, comment } of catalog.schemas.values()) {
    const isStandard = name === 'public' && comment === COMMENT_OF_PUBLIC
    const parts = isStandard ? [] : [{ object: `schema ${name}`, target: `schema ${quoteIdentifier(name)}`, comment }]
    found.set(`schema ${name}`, { schema: name, parts })
  }
  for (const [key, type] of catalog.types) {
    const target = `${type.kind === 'domain' ? 'domain' : 'type'} ${qualified(type)}`
    const object = `type ${key}`
    const fields = type.attributes.map((field) => ({
      object,
      target: `column ${qualified(type)}.${quoteIdentifier(field.name)}`,
      comment: field.comment,
    }))
    found.set(`type ${key}`, { schema: type.schema, parts: [{ object, target, comment: type.comment }, ...fields] })
  }
  for (const [key, sequence] of catalog.sequences) {
    const target = `sequence ${qualified(sequence)}`
    found.set(`sequence ${key}`, {
      schema: sequence.schema,
      parts: [{ object: `sequence ${key}`, target, comment: sequence.comment }],
    })
  }
  for (const [key, routine] of catalog.functions) {
    const parts = [{ object: `function ${key}`, target: routineTarget(routine), comment: routine.comment }]
    found.set(`function ${key}`, { schema: routine.schema, parts })
  }
  for (const [key, table] of catalog.tables) {
    found.set(`table ${key}`, { schema: table.schema, parts: commentsOfTable(table) })
  }
  for (const [key, view] of catalog.views) {
    const columns = Object.entries(view.columnComments).map(([name, comment]) => ({
      object: `view ${key}`,
      target: `column ${qualified(view)}.${quoteIdentifier(name)}`,
      comment,
    }))
    const parts = [
      { object: `view ${key}`, target: viewTarget(view), comment: view.comment },
      ...columns,
      ...commentsOfParts(view),
    ]
    found.set(`view ${key}`, { schema: view.schema, parts })
  }
  for (const [key, statistics] of catalog.statistics) {
    const parts = [
      { object: `statistics ${key}`, target: `statistics ${qualified(statistics)}`, comment: statistics.comment },
    ]
    found.set(`statistics ${key}`, { schema: statistics.schema, parts })
  }
  for (const { name, comment } of catalog.publications.values()) {
    found.set(`publication ${name}`, {
      schema: '',
      parts: [{ object: `publication ${name}`, target: `publication ${quoteIdentifier(name)}`, comment }],
    })
  }
  for (const [key, other] of catalog.others) {
    found.set(`other ${key}`, { schema: other.schema, parts: [commentOfOther(other)] })
  }
  return found
}

function commentOfOther(other: OtherObject): Commented {
  const { kind, schema, name, comment } = other
  return { object: `other ${kind} ${schema === '' ? name : `${schema}.${name}`}`, target: otherTarget(other), comment }
}

function commentsOfTable(table: Table): Commented[] {
  const columns = [...table.columns.values()].map(({ name, comment }) => ({
    object: `column ${table.schema}.${table.name}.${name}`,
    target: `column ${qualified(table)}.${quoteIdentifier(name)}`,
    comment,
  }))
  return [
    { object: `table ${table.schema}.${table.name}`, target: `table ${qualified(table)}`, comment: table.comment },
    ...columns,
    ...commentsOfParts(table),
  ]
}

function commentsOfParts(owner: Table | View): Commented[] {
  const key = `${owner.schema}.${owner.name}`
  const on = (kind: string, items: Iterable<{ readonly name: string; readonly comment: string | null }>) =>
    [...items].map(({ name, comment }) => ({
      object: `${kind} ${name} on ${key}`,
      target: `${kind} ${quoteIdentifier(name)} on ${qualified(owner)}`,
      comment,
    }))
  const indexes = [...owner.indexes.values()].map((index) => ({
    object: `index ${index.name} on ${key}`,
    target: `index ${qualified({ schema: owner.schema, name: index.name })}`,
    comment: index.comment,
  }))
  return [
    ...('constraints' in owner ? on('constraint', owner.constraints.values()) : []),
    ...indexes,
    ...on('rule', owner.rules.values()),
    ...on('trigger', owner.triggers.values()),
    ...('policies' in owner ? on('policy', owner.policies.values()) : []),
  ]
}
