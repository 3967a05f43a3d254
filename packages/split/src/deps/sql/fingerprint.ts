import { createHash } from 'node:crypto'
import { tokenise, type Dialect } from './tokens.ts'

/** A statement without its values: `select a from t where b = ?`, so that reports never hold what a patient is. */
export function withoutValues(text: string, dialect: Dialect): string {
  const { tokens, isCut } = tokenise(text, dialect)
  const pieces: string[] = []
  for (const { kind, text } of tokens) {
    const piece = kind === 'string' || kind === 'number' ? '?' : text
    const isList = piece === '?' && pieces.at(-1) === ',' && pieces.at(-2) === '?'
    if (isList) pieces.pop()
    else pieces.push(piece)
  }
  // never the same as the whole statement
  if (isCut) pieces.push('...')
  return pieces
    .join(' ')
    .replace(/ ?([.(]) ?/g, '$1')
    .replace(/ ([,);])/g, '$1')
}

/** A short name for a statement without its values, the same in every run. */
export function fingerprint(plain: string): string {
  return createHash('sha256').update(plain).digest('hex').slice(0, 12)
}
