import type { ParsedStatement } from '../../parse/parse-sql.ts'
import type { LintedFile } from '../rule.ts'

/** What the same file runs behind a statement. */
export function laterStatements(statement: ParsedStatement, file: LintedFile): readonly ParsedStatement[] {
  return file.statements.filter(({ start }) => start > statement.start)
}
