import { parseRaw, type Node } from '../parse/parser.ts'
import { flatten } from './flatten.ts'
import { simplify } from './simplify.ts'

/** How a fragment becomes a statement that the grammar takes. */
const WRAPPERS = {
  expression: (text: string) => `select ${text}`,
  constraint: (text: string) => `alter table t add ${text}`,
  arguments: (text: string) => `create function f(${text}) returns void language sql as ''`,
  bound: (text: string) => `create table p partition of t ${text}`,
  body: (text: string) => `create function f() returns void ${text}`,
  query: (text: string) => text,
}

/** True when two fragments mean the same to PostgreSQL, as far as parse trees tell. */
export function sameText(kind: keyof typeof WRAPPERS, left: string, right: string): boolean {
  if (left === right) return true
  const [a, b] = [simplified(kind, left), simplified(kind, right)]
  return a !== null && a === b
}

export function sameExpression(left: string, right: string): boolean {
  return sameText('expression', left, right)
}

/** True when two fragments differ in nothing but how AND and OR are nested, or names of columns without meaning. */
export function sameNesting(kind: keyof typeof WRAPPERS, left: string, right: string): boolean {
  const [a, b] = [left, right].map((text) => {
    const parsed = parseRaw(WRAPPERS[kind](text))
    return Array.isArray(parsed) ? JSON.stringify(flatten(parsed.map(({ node }) => node))) : null
  })
  return a !== null && a === b
}

/** Expressions repeat: one policy text and a handful of defaults stand on every table. */
const cache = new Map<string, string | null>()

function simplified(kind: keyof typeof WRAPPERS, text: string): string | null {
  const key = `${kind} ${text}`
  const known = cache.get(key)
  if (known !== undefined) return known
  const parsed = parseRaw(WRAPPERS[kind](text))
  const nodes: Node[] | null = Array.isArray(parsed) ? parsed.map((statement) => statement.node) : null
  const result = nodes && JSON.stringify(simplify(nodes))
  if (cache.size > 20_000) cache.clear()
  cache.set(key, result)
  return result
}
