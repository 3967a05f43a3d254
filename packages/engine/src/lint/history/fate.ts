import { findIndex, hasRelation, hasRoutine } from '../../catalog/files/names.ts'
import { isTableOfTool } from '../../migrate/other-tools.ts'
import type { Catalog, Gone, SourcePosition, Table, View } from '../../catalog/model.ts'
import type { ParsedStatement } from '../../parse/parse-sql.ts'
import type { Moment } from '../rule.ts'
import type { Creation } from './history-index.ts'
import { mayComeAlong } from './may-come-along.ts'
import type { PartKind } from './part-kinds.ts'
import { mayCreate } from './unknown-effects.ts'
import type { Use } from './uses.ts'

/** What has become of a name by the time a statement uses it. */
export type Fate =
  | { readonly state: 'there' }
  /** The files cannot tell. */
  | { readonly state: 'unknown' }
  /** A later statement creates it. */
  | { readonly state: 'later'; readonly creation: Creation }
  | { readonly state: 'renamed' | 'moved'; readonly to: string | null; readonly position: SourcePosition }
  | { readonly state: 'dropped'; readonly position: SourcePosition }
  /** No file creates it; `similar` has nearly its name. */
  | { readonly state: 'never'; readonly similar: string | null }

/** What a name stands for at this moment of the history. */
export function fateOf({ kind, name }: Use, { line, column }: ParsedStatement, moment: Moment): Fate {
  const { catalog, history, file } = moment
  if (exists(kind, name, catalog)) return { state: 'there' }
  // Code gives constraints and triggers back that it took away.
  if (NAMED_INSIDE.has(kind) && mayBeUnknown(kind, name, moment)) return { state: 'unknown' }
  const gone = endOf(kind, name, catalog)
  if (gone?.how === 'dropped') return { state: 'dropped', position: gone.position }
  if (gone) return { state: gone.how, to: gone.to, position: gone.position }
  if (mayBeUnknown(kind, name, moment)) return { state: 'unknown' }
  const creations = history.creations(kind, name)
  const later = creations.find((own) => (own.order - file.order || own.line - line || own.column - column) > 0)
  // Made on something that the catalog does not hold.
  if (creations.length > 0 && !later && NAMED_INSIDE.has(kind)) return { state: 'unknown' }
  const creation = later ?? creations[0]
  // When a file without a version runs nobody knows.
  if (creation && file.name === null && history.hasVersions) return { state: 'unknown' }
  if (creation) return { state: 'later', creation }
  return history.complete ? { state: 'never', similar: similarName(kind, name, catalog) } : { state: 'unknown' }
}

/** Kinds that are named inside a table or a type, or as one of several of a name. */
const NAMED_INSIDE = new Set<Use['kind']>(['constraint', 'trigger', 'policy', 'rule', 'index', 'value', 'function'])

const OUTSIDE_SCHEMAS = new Set<Use['kind']>(['schema', 'extension', 'publication'])

/** A function goes with the types of its arguments; what lies in no schema is noted with its kind. */
function endOf(kind: Use['kind'], name: string, { gone }: Catalog): Gone | undefined {
  if (kind === 'extension' || kind === 'publication') return gone.get(`${kind} ${name}`)
  if (kind !== 'function') return gone.get(name)
  return [...gone].find(([key]) => key.startsWith(`${name}(`))?.[1]
}

function exists(kind: Use['kind'], name: string, catalog: Catalog): boolean {
  const { tables, views, types } = catalog
  if (kind === 'relation') return hasRelation(catalog, name) || isIndex(name, catalog)
  // A table's or view's row is a type.
  if (kind === 'type')
    return (
      types.has(name) ||
      tables.has(name) ||
      views.has(name) ||
      catalog.others.has(`base type ${name}`) ||
      isMultirange(name, types)
    )
  if (kind === 'index') return isIndex(name, catalog)
  if (kind === 'schema') return catalog.schemas.has(name)
  if (kind === 'extension') return catalog.extensions.has(name) || name === 'plpgsql'
  if (kind === 'publication') return catalog.publications.has(name)
  if (kind === 'function') return hasRoutine(catalog, name)
  const [owner, own] = splitColumn(name)
  // A missing table is one finding, not one a column; a view's columns are what its query makes them.
  if (kind === 'column') return tables.get(owner)?.columns.has(own) ?? true
  if (kind === 'value') return types.get(owner)?.labels.includes(own) ?? true
  return hasPart(kind, tables.get(owner) ?? views.get(owner), own)
}

function hasPart(kind: PartKind, owner: Table | View | undefined, name: string): boolean {
  if (!owner) return true
  if (kind === 'rule') return owner.rules.has(name)
  const trigger = owner.triggers.get(name)
  if (kind === 'trigger') return trigger !== undefined
  if (!('constraints' in owner)) return true
  return kind === 'policy' ? owner.policies.has(name) : owner.constraints.has(name) || trigger?.constraint === true
}

/** `schema.table.column` as table and column. */
function splitColumn(name: string): [string, string] {
  const dot = name.indexOf('.', name.indexOf('.') + 1)
  return [name.slice(0, dot), name.slice(dot + 1)]
}

/** Comes with its range: `timerange` has `timemultirange`, `hours` has `hours_multirange`. */
function isMultirange(name: string, types: Catalog['types']): boolean {
  const range = name.endsWith('_multirange')
    ? name.slice(0, -'_multirange'.length)
    : name.replace('multirange', 'range')
  return types.get(range)?.kind === 'range'
}

function isIndex(name: string, catalog: Catalog): boolean {
  const [schema = '', index = ''] = name.split('.')
  return findIndex(catalog, schema, index) !== undefined
}

/** The name without schema somewhere else, or with one letter more, less or other. */
function similarName(kind: Use['kind'], name: string, { tables, views }: Catalog): string | null {
  if (kind !== 'relation') return null
  const last = (text: string) => text.slice(text.indexOf('.') + 1)
  const all = [...tables.keys(), ...views.keys()]
  return all.find((other) => last(other) === last(name)) ?? all.find((other) => isNear(last(other), last(name))) ?? null
}

function isNear(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1 || a.length < 4) return false
  let start = 0
  while (start < a.length && a[start] === b[start]) start++
  let end = 0
  while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) end++
  return Math.max(a.length, b.length) - start - end <= 1
}

/** A statement whose effect cannot be told may have made it, when it says the name or makes up names. */
function mayBeUnknown(kind: Use['kind'], name: string, moment: Moment): boolean {
  const { catalog, history } = moment
  const last = name.split('.').at(-1) ?? ''
  const isInside = kind === 'column' || NAMED_INSIDE.has(kind)
  if (history.isTemporary(last) || (isInside && history.isTemporary(name.split('.').at(-2) ?? ''))) return true
  if (kind === 'relation' && isTableOfTool(last)) return true
  const [schema = ''] = name.split('.')
  if (kind === 'extension' && history.bringsExtensions) return true
  if (
    !OUTSIDE_SCHEMAS.has(kind) &&
    schema !== 'public' &&
    !isOurs(schema, catalog) &&
    !history.creations('schema', schema).length
  )
    return true
  if ((kind === 'function' || kind === 'type') && hasForeignExtension(catalog, schema)) return true
  if (NAMED_INSIDE.has(kind) && kind !== 'function' && mayComeAlong(kind, name, moment)) return true
  if (kind === 'column' && isMadeByQuery(splitColumn(name)[0], catalog)) return true
  return catalog.unknown.some((effect) => mayCreate(effect, last))
}

/** A schema of other files may hold anything. */
function isOurs(schema: string, { schemas, tables }: Catalog): boolean {
  return schemas.has(schema) || [...tables.values()].some((table) => table.schema === schema)
}

/** CREATE TABLE AS: its columns are those of a query. */
function isMadeByQuery(table: string, catalog: Catalog): boolean {
  const position = catalog.tables.get(table)?.position
  return catalog.unknown.some((own) => own.position.file === position?.file && own.position.line === position.line)
}

/** Extensions bring types and functions that no file names. */
function hasForeignExtension(catalog: Catalog, schema: string): boolean {
  return [...catalog.extensions.values()].some(
    (extension) => extension.name !== 'plpgsql' && extension.schema === schema,
  )
}
