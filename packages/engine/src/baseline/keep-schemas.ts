import { path } from '../parse/references.ts'
import { emptyCatalog, type Catalog } from '../catalog/model.ts'
import type { KeptStatement } from './fold-dump.ts'

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
  const known = new Set(Object.values(whole).flatMap((map: unknown) => (map instanceof Map ? namesIn(map) : [])))
  const isLost = (schema: string) => whole.schemas.has(schema) && !part.schemas.has(schema)
  const lostName = ({ statement, searchPath, instead, schema }: KeptStatement): string | undefined => {
    if (schema !== null && isLost(schema)) return instead ?? schema
    const found = namesOfTree(statement.node).map(([first = '', second]) => {
      if (second !== undefined) return [first, second]
      return [searchPath.find((own) => known.has(`${own}.${first}`)) ?? '', first]
    })
    return found.find(([own = '']) => isLost(own))?.join('.')
  }
  const found = kept.map((own) => ({ own, name: lostName(own) }))
  return {
    kept: found.flatMap(({ own, name }) => (name === undefined ? [own] : [])),
    cut: found.flatMap(({ own, name }) =>
      name === undefined ? [] : [{ object: `statement at line ${own.line}`, reason: `names ${name}` }],
    ),
  }
}

function namesIn(map: ReadonlyMap<string, { readonly schema?: string; readonly name: string }>): string[] {
  return [...map.values()].flatMap(({ schema, name }) => (schema === undefined ? [] : [`${schema}.${name}`]))
}

/** Names in a tree, with their schema where it is written; not those in texts and bodies. */
function namesOfTree(tree: unknown): string[][] {
  const found: string[][] = []
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    const own = value as Readonly<Record<string, unknown>>
    if (typeof own['relname'] === 'string')
      found.push([own['schemaname'], own['relname']].filter((name) => typeof name === 'string'))
    if (own['defname'] === 'as') return
    for (const [key, child] of Object.entries(own)) {
      // The first name of these is an access method.
      const skipped = key === 'object' && BY_METHOD.has(String(own['objectType'] ?? own['objtype'])) ? 1 : 0
      const names = path(key === 'object' ? (child as { List?: { items?: unknown } }).List?.items : child)
      if (names.length > skipped && !NO_NAMES.has(key)) found.push(names.slice(skipped))
      if (names.length === 0) visit(child)
    }
  }
  visit(tree)
  return found
}

const BY_METHOD = new Set(['OBJECT_OPCLASS', 'OBJECT_OPFAMILY'])

/** Fields that hold columns, or what lives in no schema. */
const NO_NAMES = new Set([
  'cols',
  'colnames',
  'columns',
  'fields',
  'fk_attrs',
  'keys',
  'objects',
  'pk_attrs',
  'tokentype',
])
