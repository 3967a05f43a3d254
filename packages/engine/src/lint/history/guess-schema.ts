import type { ParsedStatement } from '../../parse/parse-sql.ts'
import type { LintedFile } from '../rule.ts'
import { anySchema, createdNames } from './created-names.ts'

/**
 * The schema that a tool puts into the search path before it runs the files: the one schema that they never create and in
 * which they find tables that they create without naming one. Null when nothing says so.
 */
export function guessSchema(files: readonly LintedFile[]): string | null {
  const schemas = new Set<string>(['public'])
  const unqualified = new Set<string>()
  const named = new Map<string, Set<string>>()
  for (const statement of files.flatMap(({ statements }) => statements)) {
    for (const { kind, name } of createdNames(statement)) {
      if (kind === 'schema') schemas.add(name)
      if (kind === 'relation' && name.startsWith(`${anySchema}.`)) unqualified.add(name.slice(anySchema.length + 1))
    }
    const { schemaname: schema, relname: name = '' } = changedTable(statement) ?? {}
    if (schema !== undefined) named.set(schema, (named.get(schema) ?? new Set()).add(name))
  }
  const guesses = [...named].filter(
    ([schema, tables]) => !schemas.has(schema) && [...tables].some((table) => unqualified.has(table)),
  )
  return guesses.length === 1 ? (guesses[0]?.[0] ?? null) : null
}

function changedTable({ node }: ParsedStatement): { schemaname?: string; relname?: string } | undefined {
  if ('AlterTableStmt' in node) return node.AlterTableStmt.relation
  return 'IndexStmt' in node ? node.IndexStmt.relation : undefined
}
