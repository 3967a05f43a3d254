import { connect, type Database } from '@imhotep/postgres'
import { logicalDatabase, runOn, type LogicalDatabase } from '../../../../tests/support/logical-server.ts'
import type { LogTransaction, MovedTable } from '../model.ts'
import { asItIs } from '../plan/postgres-dialect.ts'
import type { ServiceDatabase, Side } from '../side.ts'
import { openPostgresSide, openServiceDatabase, type ServiceDatabaseOptions } from './open-postgres-side.ts'

/** A shared database and the database of a service with the same tables, both open as sides. */
export interface TwoDatabases extends AsyncDisposable {
  readonly shared: LogicalDatabase
  readonly service: LogicalDatabase
  readonly source: Side
  readonly target: ServiceDatabase
  /** Plain connections. */
  readonly sharedDb: Database
  readonly serviceDb: Database
  readonly tables: readonly MovedTable[]
}

export async function twoDatabases(
  sql: string,
  options: ServiceDatabaseOptions & { readonly serviceSql?: string; readonly rows?: string } = {},
): Promise<TwoDatabases> {
  const shared = await logicalDatabase('shared')
  const service = await logicalDatabase('service')
  await runOn(shared.url, `${sql};${options.rows ?? ''}`)
  await runOn(service.url, options.serviceSql ?? sql)
  const source = await openPostgresSide(shared.url)
  const target = await openServiceDatabase(service.url, options)
  const sharedDb = connect(shared.url)
  const serviceDb = connect(service.url)
  return {
    shared,
    service,
    source,
    target,
    sharedDb,
    serviceDb,
    tables: await movedTables(source),
    async [Symbol.asyncDispose]() {
      await Promise.all([source.close(), target.close(), sharedDb.close(), serviceDb.close()])
      await shared[Symbol.asyncDispose]()
      await service[Symbol.asyncDispose]()
    },
  }
}

/** All tables of the shared database, kept as they are. */
export async function movedTables(source: Side): Promise<MovedTable[]> {
  const { tables } = await source.catalog()
  return tables.map((table) => asItIs({ table, key: table.primaryKey }))
}

/** Copies all rows in chunks. */
export async function copyAll(two: TwoDatabases, limit = 1000): Promise<void> {
  const snapshot = await two.source.snapshot(two.tables, { exact: false })
  for (const table of two.tables) {
    for (let { last, complete } = await two.target.loaded(table); !complete;) {
      const chunk = await snapshot.chunk(table, last, limit)
      await two.target.load(table, chunk)
      last = chunk.last
      complete = chunk.last === null
    }
  }
  await snapshot.close()
}

/** Transactions of a log up to the end that it has now, those without changes left out. */
export async function readUpToNow(
  side: Side,
  log: string,
  from: string,
  tables: readonly MovedTable[],
): Promise<LogTransaction[]> {
  const end = await side.position()
  const reader = side.readLog(log, from, tables, new AbortController().signal)
  const found: LogTransaction[] = []
  for await (const transaction of reader) {
    if (transaction.changes.length > 0) found.push(transaction)
    if (side.comparePositions(transaction.position, end) >= 0) break
  }
  await reader.close()
  return found
}

/** Digest of a whole table on one side. */
export async function digestOf(side: Side, tables: readonly MovedTable[]): Promise<string[]> {
  const snapshot = await side.snapshot(tables, { exact: false })
  const digests = await Promise.all(tables.map((table) => snapshot.digestRange(table, null, null)))
  await snapshot.close()
  return digests.map(({ rows, digest }, at) => `${tables[at]?.source.name} ${rows} ${digest}`)
}
