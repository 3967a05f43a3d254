import { findIndex, hasRelation, hasRoutine } from '../../catalog/files/names.ts'
import type { Catalog, SourcePosition } from '../../catalog/model.ts'
import type { Moment } from '../rule.ts'
import type { Creation } from './history-index.ts'
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
export function fateOf({ kind, name }: Use, moment: Moment): Fate {
  const { catalog, history } = moment
  if (exists(kind, name, catalog)) return { state: 'there' }
  const gone = catalog.gone.get(name)
  if (gone?.how === 'dropped') return { state: 'dropped', position: gone.position }
  if (gone) return { state: gone.how, to: gone.to, position: gone.position }
  if (mayBeUnknown(kind, name, moment)) return { state: 'unknown' }
  const [creation] = history.creations(kind, name)
  if (creation) return { state: 'later', creation }
  return history.complete ? { state: 'never', similar: similarName(kind, name, catalog) } : { state: 'unknown' }
}

function exists(kind: Use['kind'], name: string, catalog: Catalog): boolean {
  const { tables, views, types } = catalog
  if (kind === 'relation') return hasRelation(catalog, name) || isIndex(name, catalog)
  // A table's or view's row is a type.
  if (kind === 'type') return types.has(name) || tables.has(name) || views.has(name) || isMultirange(name, types)
  if (kind === 'schema') return catalog.schemas.has(name)
  if (kind === 'function') return hasRoutine(catalog, name)
  const [owner, column] = splitColumn(name)
  // A missing table is one finding, not one a column; a view's columns are what its query makes them.
  return tables.get(owner)?.columns.has(column) ?? true
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
function mayBeUnknown(kind: Use['kind'], name: string, { catalog, history }: Moment): boolean {
  const last = name.split('.').at(-1) ?? ''
  if (history.isTemporary(last) || (kind === 'column' && history.isTemporary(name.split('.').at(-2) ?? ''))) return true
  const [schema = ''] = name.split('.')
  if (
    kind !== 'schema' &&
    schema !== 'public' &&
    !isOurs(schema, catalog) &&
    !history.creations('schema', schema).length
  )
    return true
  if ((kind === 'function' || kind === 'type') && hasForeignExtension(catalog, schema)) return true
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
