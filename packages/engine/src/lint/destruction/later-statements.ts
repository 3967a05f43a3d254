import type { ParsedStatement } from '../../parse/parse-sql.ts'
import type { LintedFile } from '../rule.ts'

const behindCode = new WeakMap<ParsedStatement, readonly ParsedStatement[]>()

/** Says what runs behind a statement of code: its own place is one in the code's text. */
export function setLaterStatements(statement: ParsedStatement, later: readonly ParsedStatement[]): void {
  behindCode.set(statement, later)
}

/** What the same file runs behind a statement. Their names are as written: compare them with `isCalled`. */
export function laterStatements(statement: ParsedStatement, file: LintedFile): readonly ParsedStatement[] {
  const known = behindCode.get(statement)
  if (known) return known
  const { statements } = file
  let low = 0
  let high = statements.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((statements[middle]?.start ?? 0) > statement.start) high = middle
    else low = middle + 1
  }
  return statements.slice(low)
}

/** Whether a name of a later statement may be that of an object: without a schema it is taken for `public` or `*`. */
export function isCalled(written: string, name: string): boolean {
  if (written === name) return true
  const [schema, ...last] = written.split('.')
  return (schema === 'public' || schema === '*') && last.join('.') === name.slice(name.indexOf('.') + 1)
}
