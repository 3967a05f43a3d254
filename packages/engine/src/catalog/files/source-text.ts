import { skipBlank, sqlTokens, type Span, type SqlToken } from '../../parse/split-sql.ts'

/** The statement's text between parentheses that follow a keyword outside all parentheses: `using (...)`. Null without it. */
export function parenthesesBehind(text: string, ...keywords: string[]): string | null {
  const tokens = sqlTokens(text)
  const open = tokens.findIndex(
    (token, n) => token.depth === 0 && token.text === '(' && endsWithWords(tokens, n, keywords),
  )
  if (open < 0) return null
  const span = insideParentheses(tokens, open)
  return text.slice(span.start, span.end).trim()
}

/** What stands behind a keyword outside all parentheses, up to the end of the text. */
export function textBehind(text: string, keyword: string): string | null {
  const token = sqlTokens(text).find((own) => own.depth === 0 && own.text.toLowerCase() === keyword)
  return token ? trimmed(text, { start: token.end, end: text.length }) : null
}

/** The parts of a list in parentheses, which open at or behind an offset: split at commas outside inner parentheses. */
export function listInParentheses(text: string, from: number): Span[] {
  const tokens = sqlTokens(text)
  const open = tokens.findIndex((token) => token.start >= from && token.depth === 0 && token.text === '(')
  if (open < 0) return []
  const inside = insideParentheses(tokens, open)
  return splitAtCommas(tokens, inside, 1)
}

/** Parts of a text between commas outside all parentheses, from an offset on. */
export function listBehind(text: string, from: number): Span[] {
  return splitAtCommas(sqlTokens(text), { start: from, end: text.length }, 0)
}

/** A slice without comments and white space around it. */
export function trimmed(text: string, { start, end }: Span): string {
  const slice = text.slice(start, end)
  const tokens = sqlTokens(slice)
  return tokens.length === 0 ? '' : slice.slice(skipBlank(slice, 0), tokens.at(-1)?.end)
}

function endsWithWords(tokens: SqlToken[], before: number, words: string[]): boolean {
  return words.every((word, n) => tokens[before - words.length + n]?.text.toLowerCase() === word)
}

function insideParentheses(tokens: SqlToken[], open: number): Span {
  const opening = tokens[open]
  const close = tokens.find((token, n) => n > open && token.depth === opening?.depth && token.text === ')')
  return { start: opening?.end ?? 0, end: close?.start ?? opening?.end ?? 0 }
}

function splitAtCommas(tokens: SqlToken[], { start, end }: Span, depth: number): Span[] {
  const commas = tokens.filter(
    (token) => token.text === ',' && token.depth === depth && token.start >= start && token.end <= end,
  )
  const edges = [...commas.map((comma) => comma.start), end]
  return edges.map((edge, n) => ({ start: n === 0 ? start : (commas[n - 1]?.end ?? start), end: edge }))
}
