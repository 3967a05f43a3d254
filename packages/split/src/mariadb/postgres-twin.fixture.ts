import { connect, type Database } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import type { MovedTable } from '../model.ts'
import { openServiceDatabase } from '../postgres/open-postgres-side.ts'
import type { OwnedForeignKey, ServiceDatabase } from '../side.ts'

/** The tables on PostgreSQL, empty, without any index but the primary key. */
export interface Twin extends AsyncDisposable {
  readonly database: Database
  readonly side: ServiceDatabase
}

export async function postgresTwin(
  tables: readonly MovedTable[],
  foreignKeys: readonly OwnedForeignKey[] = [],
): Promise<Twin> {
  const empty = await emptyDatabase()
  const database = connect(empty.url)
  for (const table of tables) {
    const columns = table.columns.map(
      (column) => `"${column.name}" ${column.targetType}${column.nullable ? '' : ' not null'}`,
    )
    const key = table.key.map((name) => `"${name}"`).join(', ')
    await database.query(`create table "${table.target.name}" (${columns.join(', ')}, primary key (${key}))`)
  }
  const side = await openServiceDatabase(empty.url, { origin: 'mariadb', foreignKeys })
  return {
    database,
    side,
    [Symbol.asyncDispose]: async () => {
      await side.close()
      await database.close()
      await empty.drop()
    },
  }
}

/** So that `await using` closes it: what stays open keeps the database from being dropped. */
export function closing<T extends { close(): Promise<void> }>(opened: T): T & AsyncDisposable {
  return Object.assign(opened, { [Symbol.asyncDispose]: () => opened.close() })
}
