import type { Catalog, Index } from '../model.ts'
import { DEFAULT_SCHEMA, type Fold } from './fold.ts'

/** What names are looked up in. */
export type Names = Pick<Fold, 'catalog' | 'searchPath'>

export interface Name {
  readonly schema: string
  readonly name: string
  /** `schema.name`. */
  readonly key: string
}

interface RangeVarLike {
  schemaname?: string
  relname?: string
}

/** What a name without schema is given when it is new: the first schema of the search path. */
export function newName(fold: Names, names: readonly string[]): Name {
  return nameOf(names.at(-2) ?? fold.searchPath[0] ?? DEFAULT_SCHEMA, names)
}

export function newRelation(fold: Names, relation: RangeVarLike | undefined): Name {
  return newName(fold, parts(relation))
}

/** The table, view or sequence that a name means: the first of its name along the search path. */
export function relationName(fold: Names, relation: RangeVarLike | undefined): Name {
  return relationNamed(fold, parts(relation))
}

export function relationNamed(fold: Names, names: readonly string[]): Name {
  return find(fold, names, (key) => hasRelation(fold.catalog, key))
}

export function typeNamed(fold: Names, names: readonly string[]): Name {
  const { types, tables, views } = fold.catalog
  return find(fold, names, (key) => types.has(key) || tables.has(key) || views.has(key))
}

export function routineNamed(fold: Names, names: readonly string[]): Name {
  return find(fold, names, (key) => hasRoutine(fold.catalog, key))
}

export function indexNamed(fold: Names, names: readonly string[]): Name {
  return find(fold, names, (_, schema) => findIndex(fold.catalog, schema, names.at(-1) ?? '') !== undefined)
}

/** Any other kind that lives in a schema, told by a test on `schema.name`. */
export function find(fold: Names, names: readonly string[], isThere: (key: string, schema: string) => boolean): Name {
  if (names.length > 1) return nameOf(names.at(-2) ?? '', names)
  const last = names.at(-1) ?? ''
  const schema = fold.searchPath.find((own) => isThere(`${own}.${last}`, own))
  return schema === undefined ? newName(fold, names) : nameOf(schema, names)
}

function nameOf(schema: string, names: readonly string[]): Name {
  const name = names.at(-1) ?? ''
  return { schema, name, key: `${schema}.${name}` }
}

function parts(relation: RangeVarLike | undefined): string[] {
  const name = relation?.relname ?? ''
  return relation?.schemaname === undefined ? [name] : [relation.schemaname, name]
}

export function hasRelation(catalog: Catalog, key: string): boolean {
  const { tables, views, sequences, others } = catalog
  return tables.has(key) || views.has(key) || sequences.has(key) || others.has(`foreign table ${key}`)
}

export function hasRoutine({ functions }: Catalog, name: string): boolean {
  for (const key of functions.keys()) if (key.startsWith(name) && key[name.length] === '(') return true
  return false
}

/** The index of a name with the map that it is in. */
export function findIndex(
  { tables, views }: Catalog,
  schema: string,
  name: string,
): { index: Index; indexes: Map<string, Index>; owner: string } | undefined {
  for (const map of [tables, views]) {
    for (const [owner, { schema: own, indexes }] of map) {
      const index = own === schema ? indexes.get(name) : undefined
      if (index) return { index, indexes, owner }
    }
  }
  return undefined
}
