import { needsMariadb, type MariadbDatabase } from '../../../../../tests/support/mariadb.ts'
import type { Change, LogTransaction, MovedTable, Position } from '../../model.ts'
import type { ServiceDatabase } from '../../side.ts'
import { comparePositions, masterPosition } from '../position.ts'
import { closing } from '../postgres-twin.fixture.ts'
import { openSession } from '../session.ts'
import { openSnapshot } from '../snapshot.ts'
import { readBinlog } from './read-log.ts'

export const options = { skip: needsMariadb }

/** Where the log of the server ends now. */
export async function endOfLog(source: MariadbDatabase): Promise<Position> {
  const session = await openSession(source.url)
  const position = await masterPosition(session)
  await session.close()
  return position
}

/** All transactions between two positions. */
export async function readBetween(
  source: MariadbDatabase,
  tables: readonly MovedTable[],
  from: Position,
  to: Position,
) {
  const reader = readBinlog(source.url, { from, tables, signal: AbortSignal.timeout(20_000) })
  const read: LogTransaction[] = []
  for await (const transaction of reader) {
    if (transaction.changes.length > 0) read.push(transaction)
    if (comparePositions(transaction.position, to) >= 0) break
  }
  return read
}

/** What these statements write to the log. */
export async function changesOf(
  source: MariadbDatabase,
  tables: readonly MovedTable[],
  ...statements: string[]
): Promise<Change[]> {
  const from = await endOfLog(source)
  await source.run(...statements)
  const read = await readBetween(source, tables, from, await endOfLog(source))
  return read.flatMap(({ changes }) => [...changes])
}

/** Columns that differ, by key and name. */
export async function differences(
  source: MariadbDatabase,
  target: ServiceDatabase,
  table: MovedTable,
): Promise<string[]> {
  await using here = closing(await openSnapshot(source.url, [table]))
  await using there = closing(await target.snapshot([table], { exact: false }))
  const rows = await there.rowDigests(table, null, null)
  const expected = await here.rowDigests(table, null, null)
  if (rows.length !== expected.length) return [`${rows.length} rows instead of ${expected.length}`]
  return expected.flatMap(({ key, columns }, row) =>
    columns.flatMap((digest, at) =>
      digest === rows[row]?.columns[at] ? [] : [`${key.join()} ${table.columns[at]?.name}`],
    ),
  )
}
