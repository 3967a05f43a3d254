import { walkTree } from '../../parse/walk.ts'
import type { LintedFile } from '../rule.ts'
import { anySchema, createdNames } from './created-names.ts'

/**
 * The schema that a tool puts into the search path before it runs the files: the one schema that they name and never
 * create, when they also create tables without naming one. Null when nothing says so.
 */
export function guessSchema(files: readonly LintedFile[]): string | null {
  const made = new Set<string>()
  const named = new Set<string>()
  let isUnqualified = false
  for (const { node, ...statement } of files.flatMap(({ statements }) => statements)) {
    for (const { kind, name } of createdNames({ node, ...statement })) {
      if (kind === 'schema') made.add(name)
      if (kind === 'relation' && name.startsWith(`${anySchema}.`)) isUnqualified = true
    }
    if (!('CreateStmt' in node) && !('AlterTableStmt' in node) && !('IndexStmt' in node)) continue
    walkTree(node, (tag, { schemaname }) => {
      if (tag === 'RangeVar' && typeof schemaname === 'string') named.add(schemaname)
    })
  }
  const strangers = [...named].filter((name) => name !== 'public' && !made.has(name))
  return isUnqualified && strangers.length === 1 ? (strangers[0] ?? null) : null
}
