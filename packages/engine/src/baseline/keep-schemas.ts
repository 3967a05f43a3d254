import { emptyCatalog, type Catalog } from '../catalog/model.ts'

/** What was cut with the schemas that were not asked for. */
export interface LeftSchema {
  readonly object: string
  readonly reason: string
}

/** The part of a catalog that lives in some schemas; foreign keys to the others are cut, and listed. */
export function keepSchemas(
  catalog: Catalog,
  schemas: readonly string[] | undefined,
): { readonly catalog: Catalog; readonly cut: LeftSchema[] } {
  if (schemas === undefined || schemas.length === 0) return { catalog, cut: [] }
  const kept: Catalog = { ...emptyCatalog(), ...catalog }
  const cut: LeftSchema[] = []
  const isKept = (schema: string) => schemas.includes(schema)
  for (const [key, value] of Object.entries(catalog) as [keyof Catalog, unknown][]) {
    if (!(value instanceof Map)) continue
    const map = value as Map<string, { readonly schema?: string; readonly name: string }>
    const own = [...map].filter(([, item]) => {
      if (key === 'schemas') return isKept(item.name)
      return key === 'extensions' || item.schema === undefined || isKept(item.schema)
    })
    Object.assign(kept, { [key]: new Map(own) })
  }
  for (const [name, table] of kept.tables) {
    const lost = [...table.constraints.values()].filter(
      ({ references }) => references !== null && !kept.tables.has(references),
    )
    for (const { name: constraint, references } of lost)
      cut.push({ object: `constraint ${constraint} on ${name}`, reason: `refers to ${references}` })
    if (lost.length === 0) continue
    const constraints = new Map([...table.constraints].filter(([, constraint]) => !lost.includes(constraint)))
    kept.tables.set(name, { ...table, constraints })
  }
  return { catalog: kept, cut }
}
