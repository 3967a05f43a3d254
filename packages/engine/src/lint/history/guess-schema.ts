import type { ParsedStatement } from '../../parse/parse-sql.ts'
import type { LintedFile } from '../rule.ts'
import { anySchema, createdNames } from './created-names.ts'

/** So many tables are not named without their schema by mistake. */
const ENOUGH_TABLES = 3

/**
 * The schema that a tool puts into the search path before it runs the files. Either the one schema in which all the tables
 * are that the files change without naming one, three or more; or the one schema that they never create and in which they
 * find tables that they create without naming one. Null when nothing says so.
 */
export function guessSchema(files: readonly LintedFile[]): string | null {
  const schemas = new Set<string>(['public'])
  const unqualified = new Set<string>()
  const homes = new Map<string, Set<string>>()
  const named = new Map<string, Set<string>>()
  const bare = new Set<string>()
  for (const statement of files.flatMap(({ statements }) => statements)) {
    for (const { kind, name } of createdNames(statement)) {
      if (kind === 'schema') schemas.add(name)
      if (kind !== 'relation') continue
      const [schema = '', relation = ''] = name.split('.')
      if (schema === anySchema) unqualified.add(relation)
      else note(homes, relation, schema)
    }
    const { schemaname: schema, relname: name } = changedTable(statement) ?? {}
    if (name === undefined) continue
    if (schema === undefined) bare.add(name)
    else note(named, schema, name)
  }
  return homeOf(bare, unqualified, homes) ?? neverCreated(schemas, unqualified, named)
}

function note(map: Map<string, Set<string>>, key: string, value: string): void {
  map.set(key, (map.get(key) ?? new Set()).add(value))
}

function homeOf(
  bare: ReadonlySet<string>,
  unqualified: ReadonlySet<string>,
  homes: ReadonlyMap<string, ReadonlySet<string>>,
): string | null {
  const found = [...bare].filter((name) => !unqualified.has(name)).flatMap((name) => [...(homes.get(name) ?? [])])
  const [schema = 'public'] = found
  const isHome = schema !== 'public' && found.length >= ENOUGH_TABLES && found.every((own) => own === schema)
  return isHome ? schema : null
}

function neverCreated(
  schemas: ReadonlySet<string>,
  unqualified: ReadonlySet<string>,
  named: ReadonlyMap<string, ReadonlySet<string>>,
): string | null {
  const guesses = [...named].filter(
    ([schema, tables]) => !schemas.has(schema) && [...tables].some((table) => unqualified.has(table)),
  )
  return guesses.length === 1 ? (guesses[0]?.[0] ?? null) : null
}

function changedTable({ node }: ParsedStatement): { schemaname?: string; relname?: string } | undefined {
  if ('AlterTableStmt' in node) return node.AlterTableStmt.relation
  return 'IndexStmt' in node ? node.IndexStmt.relation : undefined
}
