import type { Fold } from './fold.ts'
import { hasRelation, hasRoutine } from './names.ts'
import { usesIn } from './uses.ts'

/** Tables, views and functions of the catalog that a query names, sorted. */
export function viewDependencies(fold: Fold, query: unknown): string[] {
  const { catalog } = fold
  const keys = usesIn(fold, [query]).flatMap((use) => {
    if ((use.kind === 'relation' || use.kind === 'quoted') && hasRelation(catalog, use.key)) return use.key
    return use.kind === 'routine' && hasRoutine(catalog, use.key) ? use.key : []
  })
  return [...new Set(keys)].toSorted()
}
