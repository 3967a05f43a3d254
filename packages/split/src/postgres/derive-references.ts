import { parseSql, printCatalog, statementReferences, type Catalog } from '@imhotep/engine'

/** Names (`schema.name`) that the definition of each object mentions, by the object as it is printed: `view a.b`. */
export type References = ReadonlyMap<string, ReadonlySet<string>>

export async function findReferences(catalog: Catalog): Promise<References> {
  const found = new Map<string, Set<string>>()
  const byBareName = bareNames(catalog)
  for (const { object, section, sql } of await printCatalog(catalog, { repeatable: false })) {
    if (section === 'grants' || section === 'comments') continue
    const names = found.get(object) ?? new Set<string>()
    found.set(object, names)
    for (const statement of (await parseSql(sql, object)).statements) {
      for (const { schema, name } of statementReferences(statement)) names.add(`${schema}.${name}`)
    }
    if (object.startsWith('function ')) for (const name of namesInBody(sql, byBareName)) names.add(name)
  }
  return found
}

/** Objects by their name without schema, as bodies of functions find them along the search path. */
function bareNames(catalog: Catalog): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>()
  const objects = [
    ...catalog.tables.values(),
    ...catalog.views.values(),
    ...catalog.functions.values(),
    ...catalog.sequences.values(),
  ]
  for (const { schema, name } of objects) names.set(name, [...(names.get(name) ?? []), `${schema}.${name}`])
  return names
}

const tableBehind = /\b(?:from|join|into|update|table|truncate|using)\s+(?:only\s+)?"?(\w+)"?(?!\s*\.|\w)/gi
const counted = /\b(?:nextval|currval|setval)\s*\(\s*'([\w.]+)'/gi
const called = /(?<![.\w"])"?(\w+)"?\s*\(/g

function namesInBody(sql: string, byBareName: ReadonlyMap<string, readonly string[]>): string[] {
  const sequences = [...sql.matchAll(counted)].map(([, name]) => name ?? '')
  const words = [...sql.matchAll(tableBehind), ...sql.matchAll(called)].map(([, word]) => word ?? '')
  return [...sequences, ...words].flatMap((word) =>
    word.includes('.') ? [word] : (byBareName.get(word.toLowerCase()) ?? byBareName.get(word) ?? []),
  )
}
