import type { ParsedStatement } from '../../parse/parse-sql.ts'
import type { Edit, Moment } from '../rule.ts'

/** Inserts a word behind the first one that matches, where the statement is all that its file runs: elsewhere it would tear a transaction apart. */
export function editAlone(
  { start, text }: ParsedStatement,
  { file }: Moment,
  behind: RegExp,
  word: string,
): { edit: Edit } | object {
  const match = behind.exec(text)
  if (file.statements.length !== 1 || !match) return {}
  const at = start + match.index + match[0].length
  return { edit: { start: at, end: at, text: ` ${word}` } }
}
