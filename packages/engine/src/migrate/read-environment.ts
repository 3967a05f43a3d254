import type { Transaction } from '@imhotep/postgres'
import { sqlstateOf } from './statement-failure.ts'

export const DEFAULT_ENVIRONMENT_SQL = 'select core.environment()'

/** Undefined schema, table, column, function; no permission is not among them: that is an error. */
const NOT_THERE = new Set(['3F000', '42P01', '42703', '42883'])

/** What kind of database this is (`production`, `development`, ...); null when it was never said, or cannot be said yet. */
export async function readEnvironment(
  connection: Transaction,
  environmentSql: string = DEFAULT_ENVIRONMENT_SQL,
): Promise<string | null> {
  try {
    const rows = await connection.query<Record<string, unknown>>(environmentSql)
    const value = Object.values(rows[0] ?? {})[0]
    return typeof value === 'string' && value !== '' ? value : null
  } catch (error) {
    if (NOT_THERE.has(sqlstateOf(error) ?? '')) return null
    throw error
  }
}
