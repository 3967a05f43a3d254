import { emptyCatalog, type Catalog } from '../catalog/model.ts'
import type { KeptStatement } from './fold-dump.ts'
import { namesOf } from './group-objects.ts'

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

/** The statements kept as written that name nothing of a schema that was cut. */
export function keepStatements(
  kept: readonly KeptStatement[],
  whole: Catalog,
  part: Catalog,
): { readonly kept: readonly KeptStatement[]; readonly cut: LeftSchema[] } {
  const lost = (name: string) => whole.schemas.has(schemaOf(name)) && !part.schemas.has(schemaOf(name))
  const found = kept.map((own) => ({ own, name: namesOf(own.statement.text).find(lost) }))
  return {
    kept: found.flatMap(({ own, name }) => (name === undefined ? [own] : [])),
    cut: found.flatMap(({ own, name }) =>
      name === undefined ? [] : [{ object: `statement at line ${own.line}`, reason: `names ${name}` }],
    ),
  }
}

function schemaOf(name: string): string {
  return name.slice(0, name.indexOf('.'))
}
