import type { DiffOptions } from './diff-catalogs.ts'
import { outside, statement, type DiffStatement } from './diff-statement.ts'

/** VALIDATE keeps nobody waiting by itself, but every lock of its transaction is held until it has read all rows. */
export function validation(object: string, sql: string, { concurrently }: DiffOptions): DiffStatement {
  return concurrently
    ? outside(statement(object, sql))
    : statement(object, sql, 'locks', 'all rows are looked at under the locks of the statements before')
}
