import { sqlTokens } from '../parse/split-sql.ts'

/** A GRANT or REVOKE in pieces: `head object, object middle role, role tail`. */
export interface GrantParts {
  /** `grant execute on function`. */
  readonly head: string
  readonly objects: string[]
  /** `to` or `from`. */
  readonly middle: string
  readonly roles: string[]
  /** `with grant option`, `cascade`, or nothing. */
  readonly tail: string
}

const KINDS = new Set(['table', 'function', 'procedure', 'routine', 'schema', 'sequence', 'type', 'domain', 'database'])

/** Takes a GRANT or REVOKE on named objects apart, in the order in which its parse tree has them. */
export function grantParts(text: string): GrantParts | null {
  const tokens = sqlTokens(text)
  const at = (words: readonly string[], from: number) =>
    tokens.findIndex((token, n) => n >= from && token.depth === 0 && words.includes(token.text.toLowerCase()))
  const on = at(['on'], 0)
  const to = at(['to', 'from'], on + 1)
  if (on < 0 || to < 0) return null
  const word = tokens[on + 1]?.text.toLowerCase() ?? ''
  // `on all tables in schema a, b`
  const first = word === 'all' ? at(['schema'], on + 1) + 1 : KINDS.has(word) ? on + 2 : on + 1
  const end = at(['with', 'granted', 'cascade', 'restrict'], to + 1)
  const start = (n: number) => tokens[n]?.start ?? text.length
  const stop = end < 0 ? text.length : start(end)
  const list = (from: number, until: number) => splitList(text.slice(from, until))
  return {
    head: text.slice(0, start(first)).trimEnd(),
    objects: list(start(first), start(to)),
    middle: tokens[to]?.text ?? 'to',
    roles: list(start(to + 1), stop),
    tail: text.slice(stop).trim(),
  }
}

/** A list at its commas outside parentheses. */
function splitList(text: string): string[] {
  const commas = sqlTokens(text).filter((token) => token.depth === 0 && token.text === ',')
  const bounds = [0, ...commas.map((comma) => comma.end), text.length + 1]
  return bounds.slice(1).map((end, n) => text.slice(bounds[n], end - 1).trim())
}

export function grantText({ head, objects, middle, roles, tail }: GrantParts): string {
  const lines = objects.length > 1 ? `\n  ${objects.join(',\n  ')}\n` : ` ${objects.join('')} `
  return `${head}${lines}${middle} ${roles.join(', ')}${tail ? ` ${tail}` : ''}`
}
