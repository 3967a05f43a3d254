import type { Node } from '../parse/parser.ts'
import { path } from '../parse/references.ts'
import { walkTree } from '../parse/walk.ts'

/**
 * The names (`schema.name`) of relations, types and functions that must be there before a statement can run. The text of
 * a function's body is not looked at: PostgreSQL does not check it while check_function_bodies is off.
 */
export function neededNames(node: Node): Set<string> {
  const found = new Set<string>()
  const add = (parts: string[]) => {
    if (parts.length >= 2) found.add(`${parts[0]}.${parts[1]}`)
  }
  walkTree(node, (tag, content) => {
    if (tag === 'RangeVar') add([content['schemaname'], content['relname']].filter((part) => typeof part === 'string'))
    if (tag === 'FuncCall' || tag === 'CreateTrigStmt') add(path(content['funcname']))
    if (tag === 'TypeName') add(path(content['names']))
    if (tag === 'TypeCast') add(registered(content))
  })
  return found
}

/** `'a.s'::regclass` names an object in a text. */
function registered(cast: Record<string, unknown>): string[] {
  const type = path((cast['typeName'] as { names?: unknown } | undefined)?.names).at(-1) ?? ''
  const text = (cast['arg'] as { A_Const?: { sval?: { sval?: string } } } | undefined)?.A_Const?.sval?.sval
  if (!type.startsWith('reg') || text === undefined) return []
  return [...text.replace(/\(.*/s, '').matchAll(/"((?:[^"]|"")*)"|[^."]+/g)].map(
    ([word, quoted]) => quoted?.replaceAll('""', '"') ?? word,
  )
}
