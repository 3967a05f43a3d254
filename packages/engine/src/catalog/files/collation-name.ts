import type { Fold } from './fold.ts'
import { find } from './names.ts'

/** `schema.name` of a collation: one of the files, else one of PostgreSQL's own. */
export function collationName(fold: Fold, names: string[]): string {
  const { key } = find(fold, names, (own) => fold.catalog.others.has(`collation ${own}`))
  return names.length > 1 || fold.catalog.others.has(`collation ${key}`) ? key : `pg_catalog.${names[0] ?? ''}`
}
