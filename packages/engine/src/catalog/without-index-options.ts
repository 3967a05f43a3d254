import { sqlTokens } from '../parse/split-sql.ts'

/** The definition of an exclusion constraint without WITH (..), which is said of its index: PostgreSQL prints it for this kind alone. */
export function withoutIndexOptions(text: string): string {
  const tokens = sqlTokens(text).filter(({ depth }) => depth === 0)
  const at = tokens.findIndex((token) => token.text.toLowerCase() === 'with')
  const end = tokens.slice(at).find((token) => token.text === ')')?.end
  return at < 0 || end === undefined ? text : text.slice(0, tokens[at - 1]?.end) + text.slice(end)
}
