import { connect, describeTarget, DatabaseMissingError } from '@imhotep/postgres'
import type { OwnedForeignKey, ServiceDatabase, Side } from '../side.ts'
import { forgetApplied, readApplied } from './apply.ts'
import { Cascades } from './cascade.ts'
import { readSharedCatalog } from './catalog.ts'
import { closeChangeLog, openChangeLog } from './change-log.ts'
import { binaryTypes } from './copy-binary.ts'
import type { Origin } from './digest.ts'
import { fenceTables, unfenceTables } from './fence.ts'
import { dropForeignKeys, restoreForeignKeys } from './foreign-keys.ts'
import { readLayout, type End } from './layout.ts'
import { clearTable, dropOrderIndexes, Loader, makeKeys, readLoaded } from './load.ts'
import { readChangeLog } from './log-reader.ts'
import { LogWriters } from './log-writers.ts'
import { compareLsn } from './lsn.ts'
import { findObstacles } from './obstacles.ts'
import { dropOrigin } from './origin.ts'
import { findOrphans, orphansOf } from './orphans.ts'
import { endOfLog } from './position.ts'
import { advanceSequences, dropSequenceIndexes, indexSequences } from './sequences.ts'
import { SessionPool } from './session-pool.ts'
import { dropTablesSetAside, setTablesAside } from './set-aside.ts'
import { openSnapshot } from './snapshot.ts'
import { readStorage } from './storage.ts'

export interface PostgresSideOptions {
  /** Only these schemas are in the catalog; default all. */
  readonly schemas?: readonly string[]
}

export interface ServiceDatabaseOptions extends PostgresSideOptions {
  /** The kind of the shared database: where a value was born decides how it is digested. Default 'postgres'. */
  readonly origin?: Origin
  /**
   * Foreign keys inside the service by the names of its own tables. `orphans` looks at them before they are made, and what
   * they cascade is carried out when the log of MariaDB is applied.
   */
  readonly foreignKeys?: readonly OwnedForeignKey[]
}

/** The shared database, on PostgreSQL: it knows moved tables by their `source` name. */
export async function openPostgresSide(url: string, options: PostgresSideOptions = {}): Promise<Side> {
  return makeSide(url, { ...options, end: 'source', origin: 'postgres' })
}

/** The database of a service: it knows moved tables by their `target` name. */
export async function openServiceDatabase(url: string, options: ServiceDatabaseOptions = {}): Promise<ServiceDatabase> {
  const { origin = 'postgres', foreignKeys = [] } = options
  const cascades = origin === 'mariadb' ? new Cascades(foreignKeys) : undefined
  const sessions = new SessionPool(url)
  const loader = new Loader(sessions)
  const side = makeSide(url, { ...options, end: 'target', origin, cascades })
  return {
    ...side,
    load: (table, chunk, options) => loader.load(table, chunk, options),
    binaryTypes: (table) => sessions.use(async (session) => binaryTypes(await readLayout(session, table, 'target'))),
    loaded: (table) => sessions.use((session) => readLoaded(session, table)),
    makeKeys: (tables) => sessions.use((session) => makeKeys(session, tables)),
    clear: (table) => sessions.use((session) => clearTable(session, table)),
    orphans: () => sessions.use((session) => findOrphans(session, foreignKeys)),
    async closeLog(log) {
      try {
        await side.closeLog(log)
      } catch (error) {
        // A cancel that was killed behind the drop of the database comes here again.
        if (!(error instanceof DatabaseMissingError)) throw error
      }
    },
    async close() {
      await Promise.all([sessions.close(), side.close()])
    },
  }
}

interface SideOptions extends PostgresSideOptions {
  readonly end: End
  readonly origin: Origin
  readonly cascades?: Cascades | undefined
}

function makeSide(url: string, options: SideOptions): Side {
  const { end, origin } = options
  const { host, port, database } = describeTarget(url)
  const db = connect(url, { max: 4, applicationName: 'imhotep split' })
  const sessions = new SessionPool(url)
  const writers = new LogWriters(url, options)
  return {
    kind: 'postgres',
    label: `${host}:${port}/${database}`,

    catalog: () => readSharedCatalog(db, options.schemas),
    obstacles: (tables) => findObstacles(db, tables, end),
    async clock() {
      const [row] = await db.query<{ now: Date }>('select clock_timestamp() as now')
      return row?.now as Date
    },
    storage: (tables) => readStorage(db, tables, end),

    comparePositions: compareLsn,
    position: () => sessions.use(endOfLog),
    openLog: (log, tables) => sessions.use((session) => openChangeLog(session, log, tables, end)),
    readLog: (log, from, tables, signal) => readChangeLog(url, { log, from, tables, end, signal }),
    async closeLog(log) {
      await writers.end(log)
      await sessions.use(async (session) => {
        const since = Date.now()
        await closeChangeLog(session, log, since)
        await forgetApplied(session, log)
        await dropOrigin(session, url, log)
        await dropOrderIndexes(session, { since })
      })
    },

    snapshot: (tables, { exact }) => openSnapshot(url, tables, { end, origin, exact }),

    applied: (log) => sessions.use((session) => readApplied(session, log)),
    apply: (log, transactions, signal) => writers.apply(log, transactions, signal),

    fence: (name, tables, patience) => sessions.use((session) => fenceTables(session, name, tables, end, patience)),
    unfence: (_, tables) => sessions.use((session) => unfenceTables(session, tables, end)),

    prepareSequences: (tables) => sessions.use((session) => indexSequences(session, tables, end)),
    unprepareSequences: (tables) => sessions.use((session) => dropSequenceIndexes(session, tables, end)),
    advanceSequences: (tables, gap) => sessions.use((session) => advanceSequences(session, tables, gap, end)),
    setAside: (tables) => sessions.use((session) => setTablesAside(session, tables, end)),
    dropSetAside: (tables) => sessions.use((session) => dropTablesSetAside(session, tables, end)),

    orphansOf: (keys) => sessions.use((session) => orphansOf(session, keys)),
    dropForeignKeys: (keys) => sessions.use((session) => dropForeignKeys(session, keys)),
    restoreForeignKeys: (keys) => sessions.use((session) => restoreForeignKeys(session, keys)),

    async close() {
      await Promise.all([writers.close(), sessions.close(), db.close()])
    },
  }
}
