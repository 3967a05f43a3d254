import type { Catalog } from '../model.ts'
import type { Fold } from './fold.ts'
import { find } from './names.ts'

/** `schema.name` of a collation, one of the files, else one of PostgreSQL's own; null where it is that of the type anyway. */
export function collationName(fold: Fold, names: string[], type: string): string | null {
  const { key } = find(fold, names, (own) => fold.catalog.others.has(`collation ${own}`))
  const isNamed = names.length > 1 || fold.catalog.others.has(`collation ${key}`)
  const name = isNamed ? key : `pg_catalog.${names[0] ?? ''}`
  return name === typeCollation(fold.catalog, type) ? null : name
}

/** What values of a type are compared by. */
export function typeCollation(catalog: Catalog, type: string): string {
  const base = type.replace(/(?:\[\])+$/, '')
  const domain = catalog.types.get(base)
  if (domain?.kind === 'domain') return domain.collation ?? typeCollation(catalog, domain.base ?? '')
  return base === 'name' ? 'pg_catalog.C' : 'pg_catalog.default'
}
