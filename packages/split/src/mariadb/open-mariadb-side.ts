import type { Position } from '../model.ts'
import type { Side } from '../side.ts'
import { Applier, readApplied } from './apply.ts'
import { readBinlog } from './binlog/read-log.ts'
import { appliedTable, logTable, prepareBookkeeping } from './bookkeeping.ts'
import { readCatalog } from './catalog.ts'
import { BinlogLostError } from './errors.ts'
import { fenceTables, unfenceTables } from './fence.ts'
import { dropForeignKeys, orphansOf, restoreForeignKeys } from './foreign-keys.ts'
import { findObstacles } from './obstacles.ts'
import { comparePositions, masterPosition, parsePosition } from './position.ts'
import { placeOf, type Session } from './session.ts'
import { SessionPool } from './session-pool.ts'
import { advanceAutoIncrement, dropTablesSetAside, setTablesAside } from './set-aside.ts'
import { openSnapshot } from './snapshot.ts'
import { quoteText } from './sql-text.ts'

/**
 * The shared database, on MariaDB (or MySQL): `mysql://user:password@host:port/database`.
 * @throws MariadbConnectError
 */
export async function openMariadbSide(url: string): Promise<Side> {
  const { label, database } = placeOf(url)
  const sessions = new SessionPool(url)
  const applier = new Applier(url, database)
  await sessions.use((session) => session.value('select 1'))
  return {
    kind: 'mariadb',
    label,

    catalog: () => sessions.use((session) => readCatalog(session, database)),
    obstacles: (tables) => sessions.use((session) => findObstacles(session, database, tables)),
    clock: async () => {
      const seconds = await sessions.use((session) => session.value('select unix_timestamp(now(3))'))
      return new Date(Number(seconds) * 1000)
    },
    // statements stand in the binlog as well
    storage: async () => ({}),

    comparePositions,
    position: () => sessions.use(masterPosition),
    openLog: (log) => sessions.use((session) => openLog(session, database, log)),
    readLog: (_, from, tables, signal) => readBinlog(url, { from, tables, signal }),
    closeLog: (log) => sessions.use((session) => closeLog(session, database, log)),

    snapshot: (tables) => openSnapshot(url, tables),

    applied: (log) => sessions.use((session) => readApplied(session, database, log)),
    apply: (log, transactions, signal) => applier.apply(log, transactions, signal),

    fence: (_, tables, patience) => sessions.use((session) => fenceTables(session, database, tables, patience)),
    unfence: (_, tables) => sessions.use((session) => unfenceTables(session, database, tables)),

    // AUTO_INCREMENT stands in an index always
    prepareSequences: async () => {},
    unprepareSequences: async () => {},
    advanceSequences: (tables, gap) => sessions.use((session) => advanceAutoIncrement(session, tables, gap)),
    setAside: (tables) => sessions.use((session) => setTablesAside(session, tables)),
    dropSetAside: (tables) => sessions.use((session) => dropTablesSetAside(session, tables)),

    orphansOf: (keys) => sessions.use((session) => orphansOf(session, keys)),
    dropForeignKeys: (keys) => sessions.use((session) => dropForeignKeys(session, keys)),
    restoreForeignKeys: (keys) => sessions.use((session) => restoreForeignKeys(session, keys)),

    async close() {
      await applier.close()
      await sessions.close()
    },
  }
}

/** The server logs in any case; from where on it is needed is written down, so that asking again gives the same answer. */
async function openLog(session: Session, database: string, log: string): Promise<Position> {
  await prepareBookkeeping(session, database)
  await session.run(
    `insert ignore into ${logTable} (log, position) values (${quoteText(log)}, ${quoteText(await masterPosition(session))})`,
  )
  const position = await session.value(`select position from ${logTable} where log = ${quoteText(log)}`)
  const files = await session.rows('show binary logs')
  if (position === null || !files.some(([file]) => file === parsePosition(position).file)) {
    throw new BinlogLostError(position ?? log)
  }
  return position
}

async function closeLog(session: Session, database: string, log: string): Promise<void> {
  await prepareBookkeeping(session, database)
  await session.run(`delete from ${logTable} where log = ${quoteText(log)}`)
  await session.run(`delete from ${appliedTable} where log = ${quoteText(log)}`)
}
