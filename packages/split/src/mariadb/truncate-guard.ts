import type { TableName } from '../model.ts'
import type { Patience } from '../side.ts'
import { existingTables } from './catalog.ts'
import { fenceName } from './fence-name.ts'
import type { Session } from './session.ts'
import { storedBy } from './stored-by.ts'
import { ownStatement, quoteName, quoteTable, quoteText } from './sql-text.ts'
import { retryBusy } from './table-locks.ts'

/**
 * TRUNCATE fires no trigger, but is refused (error 1701) while a foreign key points to the table. The guard is an empty
 * table with such a key. DROP TABLE is refused as well.
 */
export interface Guard {
  readonly table: TableName
  /** Of the primary key, as they are declared. */
  readonly columns: readonly { readonly name: string; readonly type: string }[]
}

/** Guards that are not there, of the tables that a foreign key can point to: with a primary key of whole columns, not partitioned. */
export async function missingGuards(session: Session, tables: readonly TableName[]): Promise<Guard[]> {
  const there = new Set((await existingTables(session, tables.map(guardOf))).map(quoteTable))
  const guards: Guard[] = []
  for (const table of tables) {
    if (there.has(quoteTable(guardOf(table)))) continue
    const key = await storedBy(session, table)
    if (!key) continue
    const columns = key.map(({ name, type, charset, collation }) => ({
      name,
      type: charset === null ? type : `${type} character set ${charset} collate ${collation}`,
    }))
    guards.push({ table, columns })
  }
  return guards
}

/** @throws FenceTimeoutError */
export async function createGuard(session: Session, { table, columns }: Guard): Promise<void> {
  const names = columns.map(({ name }) => quoteName(name)).join(', ')
  const list = columns.map(({ name, type }) => `${quoteName(name)} ${type}`)
  const guard = guardOf(table)
  const comment = `always empty: keeps ${table.name} from being truncated (imhotep split)`
  await retryBusy(
    session,
    [table],
    `${ownStatement} create table if not exists ${quoteTable(guard)} (${list.join(', ')},
       constraint ${quoteName(guard.name)} foreign key (${names}) references ${quoteTable(table)} (${names})
     ) engine = InnoDB comment ${quoteText(comment)}`,
  )
}

/** Whatever guards there are of the tables. */
export async function dropGuards(
  session: Session,
  tables: readonly TableName[],
  patience: Patience = {},
): Promise<void> {
  const guards = await existingTables(session, tables.map(guardOf))
  if (guards.length === 0) return
  await retryBusy(
    session,
    tables,
    `${ownStatement} drop table if exists ${guards.map(quoteTable).join(', ')}`,
    patience,
  )
}

const guardOf = (table: TableName): TableName => ({ ...table, name: fenceName(table, 'truncate') })
