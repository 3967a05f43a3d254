import type { ParsedStatement } from '../../parse/parse-sql.ts'
import type { Edit, Moment } from '../rule.ts'

/** Inserts a word behind the first match in a statement. */
export function insertWord({ start, text }: ParsedStatement, behind: RegExp, word: string): { edit?: Edit } {
  const match = behind.exec(text)
  if (!match) return {}
  const at = start + match.index + match[0].length
  return { edit: { start: at, end: at, text: ` ${word}` } }
}

/** The same where the statement is all that its file runs: elsewhere CONCURRENTLY would tear a transaction apart. */
export function insertWordAlone(
  statement: ParsedStatement,
  { file }: Moment,
  behind: RegExp,
  word: string,
): { edit?: Edit } {
  return file.statements.length === 1 ? insertWord(statement, behind, word) : {}
}
