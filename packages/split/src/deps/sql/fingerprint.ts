import { createHash } from 'node:crypto'
import { tokenise, type Dialect } from './tokens.ts'

/** A statement without its values: `select a from t where b = ?`, so that reports never hold what a patient is. */
export function withoutValues(text: string, dialect: Dialect): string {
  const { tokens } = tokenise(text, dialect)
  const pieces: string[] = []
  for (const { kind, text } of tokens) {
    const piece = kind === 'string' || kind === 'number' ? '?' : text
    const isList = piece === '?' && pieces.at(-1) === ',' && pieces.at(-2) === '?'
    if (isList) pieces.pop()
    else pieces.push(piece)
  }
  return pieces
    .join(' ')
    .replace(/ ?([.(]) ?/g, '$1')
    .replace(/ ([,);])/g, '$1')
}

/** The same for the same statement, whatever its values and white space. */
export function fingerprint(text: string, dialect: Dialect): string {
  return createHash('sha256').update(withoutValues(text, dialect).toLowerCase()).digest('hex').slice(0, 12)
}
