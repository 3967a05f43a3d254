import { normalisedHash } from '../parse/normalised-hash.ts'
import type { ParsedStatement } from '../parse/parse-sql.ts'

/** True when a statement is `select <guard>()` and nothing else: no condition, no second column, no limit. */
export async function isGuard(statement: ParsedStatement | undefined, guard: string): Promise<boolean> {
  if (!statement) return false
  return (await normalisedHash(statement.text)) === (await normalisedHash(`select ${guard}()`))
}
