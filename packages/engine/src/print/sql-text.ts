import { quoteIdentifier, quoteLiteral, quoteQualified } from '../bundle/quote.ts'
import { sqlTokens } from '../parse/split-sql.ts'

/** A name with its schema, quoted where it must be. */
export function qualified({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return quoteQualified(schema, name)
}

/** A key of a catalog's map (`schema.name`) as SQL writes it. */
export function quoteKey(key: string): string {
  const dot = key.indexOf('.')
  return dot < 0 ? quoteIdentifier(key) : quoteQualified(key.slice(0, dot), key.slice(dot + 1))
}

/** A role; `public` is everybody. */
export function quoteRole(role: string): string {
  return role === 'public' ? role : quoteIdentifier(role)
}

export function columnList(columns: readonly string[]): string {
  return `(${columns.map(quoteIdentifier).join(', ')})`
}

/** Lower case outside quotes: PostgreSQL folds unquoted names anyway, and prints its keywords in capitals. */
export function lowerCase(sql: string): string {
  if (!/[A-Z]/.test(sql)) return sql
  let result = ''
  let end = 0
  for (const token of sqlTokens(sql)) {
    result +=
      sql.slice(end, token.start) + (/^[A-Za-z_][\w$]*$/.test(token.text) ? token.text.toLowerCase() : token.text)
    end = token.end
  }
  return result + sql.slice(end)
}

/** In parentheses, without doubling those that are there. */
export function inParentheses(expression: string): string {
  return isInParentheses(expression) ? expression : `(${expression})`
}

function isInParentheses(expression: string): boolean {
  const tokens = sqlTokens(expression)
  if (tokens[0]?.text !== '(') return false
  const close = tokens.findIndex((token, n) => n > 0 && token.text === ')' && token.depth === tokens[0]?.depth)
  return close === tokens.length - 1
}

/** A dollar quote that the text does not hold: `$$`, `$body$`, `$body2$` ... */
export function dollarQuoted(text: string): string {
  for (let n = 0; ; n++) {
    const tag = n === 0 ? '$$' : n === 1 ? '$body$' : `$body${n}$`
    const isFree = n === 0 ? !text.includes('$$') && !text.endsWith('$') : !text.includes(tag.slice(0, -1))
    if (isFree) return `${tag}${text}${tag}`
  }
}

export function commentStatement(target: string, comment: string | null): string {
  return `comment on ${target} is ${comment === null ? 'null' : quoteLiteral(comment)}`
}

/** `schema.table.column` as SQL writes it. */
export function quoteColumnKey(key: string): string {
  return key.split('.').map(quoteIdentifier).join('.')
}

/** `fillfactor=70` -> `fillfactor = 70`; a value that is no word or number stands in quotes. */
export function optionText(option: string): string {
  const at = option.indexOf('=')
  const value = option.slice(at + 1)
  return `${option.slice(0, at)} = ${/^[\w.+-]+$/.test(value) ? value : quoteLiteral(value)}`
}

/** ` with (fillfactor = 70)`. */
export function withOptions(options: readonly string[]): string {
  return ` with (${options.map(optionText).join(', ')})`
}
