import { UsageError } from '@imhotep/base'
import { connect, describeTarget } from '@imhotep/postgres'
import { mariadbEnd } from './loose-keys/mariadb-end.ts'
import type { LooseEnd } from './loose-keys/loose-key.ts'
import { postgresEnd } from './loose-keys/postgres-end.ts'
import { openSession } from './mariadb/session.ts'
import { openMariadbSide } from './mariadb/open-mariadb-side.ts'
import { mariadbDialect } from './plan/mariadb-dialect.ts'
import type { Dialect } from './plan/plan-split.ts'
import { postgresDialect } from './plan/postgres-dialect.ts'
import { openPostgresSide } from './postgres/open-postgres-side.ts'
import type { SharedCatalog, Side } from './side.ts'
import { mariadbReader, postgresReader, type SampleReader } from './sample/sample-reader.ts'
import { fencedTables } from './postgres/fence.ts'
import { fencedTables as fencedInMariadb } from './mariadb/fence.ts'
import type { Position, TableName } from './model.ts'
import { slotLag, type Lag } from './postgres/change-log.ts'
import { bytesBetween } from './mariadb/position.ts'

/** The shared database, whichever server it is on. */
export interface SharedSide {
  readonly side: Side
  /** Its name. */
  readonly database: string
  dialect(catalog: SharedCatalog, say: (text: string) => void): Dialect
  readonly looseEnd: LooseEnd
  /** Those of the tables that clients cannot change any more. */
  fenced(tables: readonly TableName[]): Promise<TableName[]>
  readonly reader: SampleReader
  /** What of the log lies behind `applied`; null when the log is not open. */
  logLag(log: string, applied: Position | null): Promise<Lag | null>
  close(): Promise<void>
}

/** @throws UsageError for a URL that is of no known kind of database */
export async function openShared(url: string): Promise<SharedSide> {
  const protocol = /^(\w+):/.exec(url)?.[1] ?? ''
  if (/^postgres(ql)?$/.test(protocol)) return openSharedPostgres(url)
  if (/^(mysql|mariadb)$/.test(protocol)) return openSharedMariadb(url.replace(/^mariadb:/, 'mysql:'))
  throw new UsageError('the shared database is neither mysql://, mariadb:// nor postgres://', {
    hint: 'give its connection string: --source mysql://user:password@host/database',
  })
}

async function openSharedPostgres(url: string): Promise<SharedSide> {
  const side = await openPostgresSide(url)
  const db = connect(url, { max: 2, applicationName: 'imhotep split' })
  return {
    side,
    database: describeTarget(url).database,
    dialect: () => postgresDialect(url),
    looseEnd: postgresEnd(db),
    logLag: (log) => slotLag(db, log),
    fenced: (tables) => fencedTables(db, tables),
    reader: postgresReader(db),
    async close() {
      await Promise.all([side.close(), db.close()])
    },
  }
}

async function openSharedMariadb(url: string): Promise<SharedSide> {
  if (new URL(url).pathname.length < 2) {
    throw new UsageError('the connection string names no database', {
      hint: 'add it at the end: --source mysql://user:password@host/database',
    })
  }
  const side = await openMariadbSide(url)
  const session = await openSession(url)
  const database = decodeURIComponent(new URL(url).pathname.slice(1))
  return {
    side,
    database,
    dialect: (catalog, say) => mariadbDialect(session, catalog, say),
    looseEnd: mariadbEnd(session, database),
    fenced: (tables) => fencedInMariadb(session, tables),
    reader: mariadbReader(session),
    async logLag(_, applied) {
      if (applied === null) return null
      return { bytes: bytesBetween(applied, await side.position()), followed: null }
    },
    async close() {
      await Promise.all([side.close(), session.close()])
    },
  }
}
