import { compareCatalogs, type Difference } from '../catalog/compare.ts'
import type { Catalog } from '../catalog/model.ts'

/** The differences of two catalogs by object. Objects that have to be made again join them on the way. */
export interface Changes {
  readonly differences: readonly Difference[]
  isNew(object: string): boolean
  isGone(object: string): boolean
  /** Names of changed properties; empty for what is the same, new or gone. */
  properties(object: string): ReadonlySet<string>
  /** Dropped and made anew, because something else about it cannot be changed. */
  readonly remade: Set<string>
}

export function changesOf(left: Catalog, right: Catalog): Changes {
  const differences = compareCatalogs(left, right, { ignore: isNotTold })
  const kinds = new Map<string, Difference['kind']>()
  const properties = new Map<string, Set<string>>()
  for (const { object, kind, property } of differences) {
    if (property === null) kinds.set(object, kind)
    else properties.set(object, new Set([...(properties.get(object) ?? []), property]))
  }
  const remade = new Set<string>()
  return {
    differences,
    isNew: (object) => kinds.get(object) === 'extra' || remade.has(object),
    isGone: (object) => kinds.get(object) === 'missing',
    properties: (object) => properties.get(object) ?? new Set(),
    remade,
  }
}

/**
 * What no statement can change or nobody asked for: the place of a column in its table, an owner that one side does not
 * know, the passwords and logins of a server, and roles that only one server has.
 */
export function isNotTold({ object, kind, property, left, right }: Difference): boolean {
  if (property === 'ordinal' || property === 'dependencies') return true
  if (property === 'owner') return left === null || right === null
  if (property === 'version') return left === null || right === null
  if (!object.startsWith('role ')) return false
  return kind === 'missing' || property === 'login'
}
