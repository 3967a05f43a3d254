import { loadParser } from '../parse/parser.ts'
import { checkHistory } from './check-history.ts'
import { compareHistory, type HistoryComparison } from './compare-history.ts'
import { MigrationCancelledError, MigrationStatementError, UnknownVersionError } from './errors.ts'
import {
  brokenLink,
  chainHead,
  historyTable,
  nextChain,
  readHistoryRows,
  type HistoryRow,
  type HistoryTable,
  type NewHistoryRow,
} from './history-table.ts'
import { agreedRows, agreeWithKnex, type KnexOptions } from './knex/agree-with-knex.ts'
import type { KnexBook } from './knex/knex-book.ts'
import { runKnexStatements, runKnexTransaction } from './knex/run-files.ts'
import { canonicalVersion, compareVersions, isVersion, type MigrationFile } from './migration-file.ts'
import {
  withConnection,
  withMigrationSession,
  type MigrationSession,
  type SessionOptions,
} from './migration-session.ts'
import { refuseAppliedByOthers } from './other-tools.ts'
import { prepareFiles, type PreparedFile } from './prepare-files.ts'
import { historyOf, readHistory, type MigrationSource } from './read-history.ts'
import { runStatements } from './run-statements.ts'
import { runTransaction } from './run-transaction.ts'

/** Where the migrations come from: a directory, or files in memory. */
export interface HistorySource {
  readonly directory?: string | undefined
  readonly files?: readonly MigrationSource[] | undefined
}

export interface MigrateOptions extends HistorySource, SessionOptions, KnexOptions {
  /** Stops behind this version; repeatable files are then left for a full run. */
  readonly to?: string | undefined
  /** Checks everything, changes nothing. */
  readonly dryRun?: boolean | undefined
  /** Also applies files that are older than the newest applied one, when they touch nothing in common. */
  readonly outOfOrder?: boolean | undefined
  /** Also where another tool has a history of files with these versions: it is of other files. */
  readonly ignoreOtherTools?: boolean | undefined
  /** All pending files in one transaction. */
  readonly allOrNothing?: boolean | undefined
  /** Values of `${name}` in the files; without any, `${` has no meaning. */
  readonly placeholders?: Readonly<Record<string, string>> | undefined
}

export interface AppliedFile {
  readonly version: string
  readonly file: string
  /** Milliseconds. */
  readonly ms: number
}

export interface PendingFile {
  readonly version: string
  readonly file: string
  /** Whether it will run as one transaction; null for a file behind `to`, which was not read. */
  readonly transactional: boolean | null
}

export interface MigrateResult {
  readonly applied: readonly AppliedFile[]
  /** Files that Knex has applied before, and that the history has taken over in this run. */
  readonly adopted: readonly Omit<AppliedFile, 'ms'>[]
  /** How many files had been applied before. */
  readonly already: number
  /** How many files are left: behind `to`, or all of them in a dry run. */
  readonly pending: number
  readonly pendingFiles: readonly PendingFile[]
  readonly warnings: readonly string[]
  /** Milliseconds of the whole run. */
  readonly ms: number
}

/**
 * Brings a database to the state that the files describe. Each file is one transaction together with its row in the
 * history; it may be killed at any moment and started again, and several may be started at once.
 * @throws MigrationFailedError and the other errors of errors.ts; each names the file and the way out
 */
export async function applyMigrations(url: string, options: MigrateOptions): Promise<MigrateResult> {
  const started = performance.now()
  // Not awaited: the grammar loads while the connection is made. A failure shows where it is used.
  loadParser().catch(() => undefined)
  const files = await loadHistory(options)
  checkTarget(files, options.to)
  const result = options.dryRun
    ? await withConnection(url, async (connection) => {
        const table = historyTable(options.historyTable)
        const { rows, comparison } = await agreedRows(connection, files, await readHistoryRows(connection, table))
        const pending = await pendingFiles(connection, table, files, rows, options)
        return resultOf(pending, [], pending.prepared, comparison?.adopt ?? [])
      })
    : await withMigrationSession(url, options, (session) => applyPending(session, files, options))
  return { ...result, ms: Math.round(performance.now() - started) }
}

/** Reads the files of a directory, or takes those in memory. */
export async function loadHistory({ directory, files }: HistorySource): Promise<MigrationFile[]> {
  if (files) return historyOf(files)
  return readHistory(directory ?? 'db/migration')
}

function checkTarget(files: readonly MigrationFile[], to: string | undefined): void {
  if (to === undefined) return
  const versions = files.filter(({ kind }) => kind === 'versioned' || kind === 'baseline').map(({ version }) => version)
  if (isVersion(to) && versions.some((version) => compareVersions(version, to) === 0)) return
  throw new UnknownVersionError(to, versions)
}

interface Pending {
  readonly rows: readonly HistoryRow[]
  readonly comparison: HistoryComparison
  readonly prepared: readonly PreparedFile[]
  /** Pending files behind `to`. */
  readonly left: readonly MigrationFile[]
  readonly warnings: readonly string[]
}

async function pendingFiles(
  connection: MigrationSession['connection'],
  table: HistoryTable,
  files: readonly MigrationFile[],
  rows: readonly HistoryRow[],
  options: MigrateOptions,
): Promise<Pending> {
  if (rows.length === 0 && !options.ignoreOtherTools) await refuseAppliedByOthers(connection, files)
  // A baseline behind `to` would leave out what is asked for.
  const wanted = files.filter((file) => file.kind !== 'baseline' || isUpTo(file, options.to))
  const whole = compareHistory(wanted, rows)
  const isWanted = (file: MigrationFile) => isUpTo(file, options.to)
  const comparison = { ...whole, pending: whole.pending.filter(({ file }) => isWanted(file)) }
  const warnings = await checkHistory(connection, table, comparison, options)
  const broken = brokenLink(rows)
  if (broken !== null) warnings.push(`${table.text} was changed by hand at or before version ${broken}`)
  const prepared = await prepareFiles(comparison.pending, options.placeholders)
  const left = whole.pending.map(({ file }) => file).filter((file) => !isWanted(file))
  return { rows, comparison, prepared, left, warnings }
}

function isUpTo(file: MigrationFile, to: string | undefined): boolean {
  if (to === undefined) return true
  return (file.kind === 'versioned' || file.kind === 'baseline') && compareVersions(file.version, to) <= 0
}

function resultOf(
  pending: Pending,
  applied: readonly AppliedFile[],
  notRun: readonly PreparedFile[],
  adopted: readonly MigrationFile[],
) {
  const pendingList: PendingFile[] = [
    ...notRun.map(({ file, transactional }) => ({ version: file.version, file: file.file, transactional })),
    ...pending.left.map((file) => ({ version: file.version, file: file.file, transactional: null })),
  ]
  return {
    applied,
    adopted: adopted.map(({ version, file }) => ({ version, file })),
    already: pending.comparison.applied.length + pending.comparison.edited.length,
    pending: pendingList.length,
    pendingFiles: pendingList,
    warnings: pending.warnings,
  }
}

async function applyPending(session: MigrationSession, files: readonly MigrationFile[], options: MigrateOptions) {
  const { book, adopted } = await agreeWithKnex(session, files, options)
  const recorded = await readHistoryRows(session.connection, session.table)
  const pending = await pendingFiles(session.connection, session.table, files, recorded, options)
  for (const warning of pending.warnings) session.progress(`warning: ${warning}`)
  const applied: AppliedFile[] = []
  let head = chainHead(pending.rows.filter((row) => row.success))

  const batches = options.allOrNothing ? [refuseStatements(pending.prepared)] : pending.prepared.map((one) => [one])
  for (const batch of batches.filter(({ length }) => length > 0)) {
    const names = batch.map(({ file }) => file.file).join(', ')
    stopWhenAborted(session, applied, null)
    await session.lock.check()
    session.progress(`applying ${names}`)
    const rows = batch.map((prepared) => {
      const row = rowOf(prepared, head)
      if (row.kind !== 'repeatable') head = row.chain
      return { prepared, row }
    })
    const started = performance.now()
    try {
      await runBatch(session, rows, options, book)
    } catch (error) {
      stopWhenAborted(session, applied, names)
      throw error
    }
    const ms = Math.round(performance.now() - started)
    for (const { file } of batch) applied.push({ version: file.version, file: file.file, ms })
  }
  return resultOf(pending, applied, [], adopted)
}

type Batch = readonly { readonly prepared: PreparedFile; readonly row: NewHistoryRow }[]

async function runBatch(
  session: MigrationSession,
  batch: Batch,
  options: MigrateOptions,
  book: KnexBook | null,
): Promise<void> {
  const [first] = batch
  if (!first || !isRunByStatements(first.prepared)) {
    const isProgram = batch.some(({ prepared }) => prepared.file.knex !== undefined)
    return isProgram ? runKnexTransaction(session, batch, book) : runTransaction(session, batch)
  }
  if (first.prepared.file.knex) await runKnexStatements(session, first, book)
  else await runStatements(session, first.prepared, first.row, options.placeholders)
  // What the file has set must not reach the next one; inside a transaction the batch does this itself.
  await session.connection.script('reset session authorization; reset role; reset all')
}

/** A file that was interrupted goes on as it began, even when its new text could be a transaction. */
function isRunByStatements({ transactional, row }: PreparedFile): boolean {
  return !transactional || row?.success === false
}

function rowOf({ file, normalized }: PreparedFile, previous: Buffer | null): NewHistoryRow {
  const { version, name, checksum, text } = file
  const kind = file.kind === 'undo' ? 'versioned' : file.kind
  const chain = nextChain(previous, checksum)
  return { version, name, kind, file: file.file, checksum, normalized, chain, body: text }
}

function refuseStatements(prepared: readonly PreparedFile[]): readonly PreparedFile[] {
  const alone = prepared.find(isRunByStatements)
  if (!alone) return prepared
  const reason = 'runs without a transaction, so it cannot be part of one'
  const hint = `first run: imhotep migrate --to ${canonicalVersion(alone.file.version)}, then --all-or-nothing`
  throw new MigrationStatementError(alone.file.file, 1, 1, reason, hint)
}

function stopWhenAborted(session: MigrationSession, applied: readonly AppliedFile[], running: string | null): void {
  if (!session.signal?.aborted) return
  throw new MigrationCancelledError(
    applied.map(({ file }) => file),
    running,
  )
}
