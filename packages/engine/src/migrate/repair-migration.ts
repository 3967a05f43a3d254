import { normalisedHash } from '../parse/normalised-hash.ts'
import { loadHistory, type HistorySource } from './apply-migrations.ts'
import { diffOfApplied } from './check-history.ts'
import { RepairRefusedError, UnknownVersionError } from './errors.ts'
import { readBody, readHistoryRows, relink, type HistoryRow } from './history-table.ts'
import { canonicalVersion, type MigrationFile } from './migration-file.ts'
import { withMigrationSession, type MigrationSession, type SessionOptions } from './migration-session.ts'
import { readEnvironment } from './read-environment.ts'

export interface RepairOptions extends HistorySource, SessionOptions {
  /** Says what would be done and changes nothing. */
  readonly dryRun?: boolean | undefined
  /** The statement that tells the environment; on `production` only a dry run is allowed. */
  readonly environmentSql?: string | undefined
}

export interface RepairResult {
  readonly version: string
  readonly file: string
  /**
   * accept: the record takes the file's text and checksum. remove: the record of an interrupted run goes, so that the
   * file runs from its start. none: record and file agree, or there is no file to take anything from.
   */
  readonly action: 'accept' | 'remove' | 'none'
  /** What the record says now: the text that was applied. */
  readonly recorded: string
  /** Unified diff from the recorded text to the file's; empty when they agree. */
  readonly diff: string
  /** Statements of an interrupted run that stay in the database when its record is removed. */
  readonly statementsDone: number
  readonly changed: boolean
}

/**
 * Mends the record of one version: nothing is run, only the history changes.
 * @throws UnknownVersionError, RepairRefusedError on a production database
 */
export async function repairMigration(url: string, version: string, options: RepairOptions): Promise<RepairResult> {
  const files = await loadHistory(options)
  return withMigrationSession(url, options, async (session) => {
    const rows = await readHistoryRows(session.connection, session.table)
    const row = rows.find((one) => canonicalVersion(one.version) === canonicalVersion(version))
    if (!row)
      throw new UnknownVersionError(
        version,
        rows.map((one) => one.version),
      )
    const file = files.find((one) => one.kind !== 'undo' && canonicalVersion(one.version) === canonicalVersion(version))

    const plan = await planRepair(session, row, file)
    if (options.dryRun || plan.action === 'none') return { ...plan, changed: false }
    const environment = await readEnvironment(session.connection, options.environmentSql)
    if (environment === 'production') throw new RepairRefusedError(version, environment)
    await mend(session, rows, row, file, plan.action)
    return { ...plan, changed: true }
  })
}

async function planRepair(
  session: MigrationSession,
  row: HistoryRow,
  file: MigrationFile | undefined,
): Promise<Omit<RepairResult, 'changed'>> {
  const recorded = await readBody(session.connection, session.table, row.version)
  const diff = file ? diffOfApplied(recorded, file) : ''
  const isSame = !file || (file.checksum.equals(row.checksum) && file.file === row.file)
  const action = !row.success ? 'remove' : isSame ? 'none' : 'accept'
  return { version: row.version, file: row.file, action, recorded, diff, statementsDone: row.statementsDone }
}

async function mend(
  session: MigrationSession,
  rows: readonly HistoryRow[],
  row: HistoryRow,
  file: MigrationFile | undefined,
  action: 'accept' | 'remove',
): Promise<void> {
  const { connection, table } = session
  // One statement at a time, but one transaction: the chain must never be seen half relinked.
  await connection.script('begin')
  try {
    if (action === 'remove') {
      await connection.query(`delete from ${table.sql} where version = $1`, [row.version])
      await relink(
        connection,
        table,
        rows.filter((one) => one !== row),
      )
    } else if (file) {
      const normalized = Buffer.from(await normalisedHash(file.text), 'hex')
      await connection.query(
        `update ${table.sql} set file = $2, name = $3, checksum = $4, normalized = $5, body = $6 where version = $1`,
        [row.version, file.file, file.name, file.checksum, normalized, file.text],
      )
      await relink(
        connection,
        table,
        rows.map((one) => (one === row ? { ...one, checksum: file.checksum } : one)),
      )
    }
    await connection.script('commit')
  } catch (error) {
    await connection.script('rollback').catch(() => undefined)
    throw error
  }
}
