import { isLocationKey } from '../parse/parse-sql.ts'
import { parseRaw } from '../parse/parser.ts'
import { path } from '../parse/references.ts'

type Tree = Readonly<Record<string, unknown>>

/**
 * True when two expressions differ in nothing but parentheses, aliases, `pg_catalog.` and the type that PostgreSQL writes
 * behind a text: another schema, operator or cast is another expression.
 */
export function isExactly(left: string, right: string): boolean {
  const [a, b] = [exactText(left), exactText(right)]
  return a !== null && a === b
}

/** One policy text stands on every table. */
const known = new Map<string, string | null>()

function exactText(expression: string): string | null {
  let text = known.get(expression)
  if (text === undefined) {
    const parsed = parseRaw(`select ${expression}`)
    text = Array.isArray(parsed) ? JSON.stringify(parsed.map(({ node }) => exact(node))) : null
    if (known.size > 20_000) known.clear()
    known.set(expression, text)
  }
  return text
}

const NAMES = new Set(['funcname', 'name', 'names'])

function exact(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(exact)
  if (typeof value !== 'object' || value === null) return value
  const { TypeCast: cast, ResTarget: target } = value as { TypeCast?: Tree; ResTarget?: Tree }
  if (target) return exact(target['val'])
  if (cast && isTextConstant(cast)) return exact(cast['arg'])
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !isLocationKey(key) && key !== 'funcformat')
      .map(([key, child]) => [key, NAMES.has(key) && Array.isArray(child) ? withoutCatalog(child) : exact(child)]),
  )
}

function withoutCatalog(names: unknown[]): string[] {
  const parts = path(names)
  return parts[0] === 'pg_catalog' ? parts.slice(1) : parts
}

function isTextConstant({ arg, typeName }: Tree): boolean {
  const constant = (arg as { A_Const?: Tree } | undefined)?.A_Const
  return (
    constant?.['sval'] !== undefined && withoutCatalog((typeName as Tree)['names'] as unknown[]).join('.') === 'text'
  )
}
