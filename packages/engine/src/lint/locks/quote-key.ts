import { quoteQualified } from '../../bundle/quote.ts'

/** A key of the catalog (`schema.name`) as SQL writes it. */
export function quoteKey(key: string): string {
  const dot = key.indexOf('.')
  return quoteQualified(key.slice(0, Math.max(dot, 0)), key.slice(dot + 1))
}
