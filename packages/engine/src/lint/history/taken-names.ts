import { findIndex } from '../../catalog/files/names.ts'
import type { Catalog, SourcePosition } from '../../catalog/model.ts'

/** What has a name already. */
export interface Taken {
  /** `table`, `index`, `function`, .. */
  readonly kind: string
  readonly name: string
  readonly position: SourcePosition | undefined
}

/** Tables, views, sequences, indexes, foreign tables and composite types of a schema share their names. */
export function relationCalled(name: string, catalog: Catalog): Taken | null {
  const { sequences, types } = catalog
  const composite = types.get(name)?.kind === 'composite' ? types.get(name) : undefined
  const [schema = '', ...last] = name.split('.')
  return (
    rowTypeCalled(name, catalog) ??
    taken('sequence', name, sequences.get(name)) ??
    taken('type', name, composite) ??
    taken('index', name, findIndex(catalog, schema, last.join('.'))?.index)
  )
}

/** Types share their names with tables and views, whose rows are types. */
export function typeCalled(name: string, catalog: Catalog): Taken | null {
  return taken('type', name, catalog.types.get(name)) ?? rowTypeCalled(name, catalog)
}

function rowTypeCalled(name: string, { tables, views, others }: Catalog): Taken | null {
  const view = views.get(name)
  return (
    taken('table', name, tables.get(name)) ??
    taken(view?.materialized ? 'materialized view' : 'view', name, view) ??
    taken('foreign table', name, others.get(`foreign table ${name}`))
  )
}

export function taken(
  kind: string,
  name: string,
  found: { readonly position?: SourcePosition | undefined } | undefined,
): Taken | null {
  return found ? { kind, name, position: found.position } : null
}
