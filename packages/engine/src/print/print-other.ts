import { quoteIdentifier } from '../bundle/quote.ts'
import type { Catalog, OtherObject } from '../catalog/model.ts'
import { unplaced, type Phase, type UnplacedObject } from './printed-object.ts'
import { dollarQuoted, lowerCase } from './sql-text.ts'

/** Kinds that nobody needs before there are functions to make them of. */
const OF_FUNCTIONS = new Set([
  'access method',
  'cast',
  'conversion',
  'foreign data wrapper',
  'foreign server',
  'operator',
  'operator class',
  'operator family',
  'text search configuration',
  'text search dictionary',
  'text search parser',
  'text search template',
  'user mapping',
])

/** What the model does not take apart; without statements where its definition is not known. */
export function printOther(other: OtherObject): UnplacedObject {
  const { kind, schema, name, definition } = other
  const phase: Phase = kind === 'foreign table' ? 'tables' : OF_FUNCTIONS.has(kind) ? 'operators' : 'early others'
  const key = schema === '' ? name : `${schema}.${name}`
  const object = `other ${kind} ${key}`
  if (definition === null) return unplaced(object, schema, { section: 'other', phase }, [])
  // None of these has IF NOT EXISTS in all versions.
  const body = `begin\n  ${lowerCase(definition)};\nexception when duplicate_object or duplicate_table or duplicate_function or unique_violation then null;\nend`
  const statement = `do ${dollarQuoted(`\n${body}\n`)}`
  return unplaced(object, schema, { section: 'other', phase }, [statement], { defines: [key] })
}

/** `collation a.b`, `cast (a as b)`. Names of casts, operators and operator classes come ready to be used. */
export function otherTarget({ kind, schema, name }: OtherObject): string {
  if (kind === 'cast') return `cast (${name})`
  if (kind === 'foreign server') return `server ${quoteIdentifier(name)}`
  if (kind === 'base type') return `type ${quoteIdentifier(schema)}.${quoteIdentifier(name)}`
  if (kind === 'user mapping') {
    const [, user = '', server = ''] = /^(.*) on (.*)$/.exec(name) ?? []
    return `user mapping for ${user === 'public' ? user : quoteIdentifier(user)} server ${quoteIdentifier(server)}`
  }
  const own = kind.startsWith('operator') ? name : quoteIdentifier(name)
  return `${kind} ${schema === '' ? own : `${quoteIdentifier(schema)}.${own}`}`
}

/** It is not made by what is printed: there is nothing to put a comment on, or to grant. */
export function isUnprintable(catalog: Catalog, object: string): boolean {
  return object.startsWith('other ') && catalog.others.get(object.slice('other '.length))?.definition === null
}
