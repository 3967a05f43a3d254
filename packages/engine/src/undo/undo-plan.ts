import { makeReplaysComparable } from '../diff/comparable.ts'
import { diffCatalogs } from '../diff/diff-catalogs.ts'
import { byHand, type DiffStatement } from '../diff/diff-statement.ts'
import { forgetRunner } from '../diff/forget-runner.ts'
import { readLive, type Scratch } from '../diff/scratch.ts'
import type { Catalog } from '../catalog/model.ts'
import { applyMigrations } from '../migrate/apply-migrations.ts'
import { readBody, type HistoryRow } from '../migrate/history-table.ts'
import { canonicalVersion, compareVersions, type MigrationFile } from '../migrate/migration-file.ts'
import type { MigrationSession } from '../migrate/migration-session.ts'
import { fillPlaceholders } from '../migrate/placeholders.ts'
import { parseSql } from '../parse/parse-sql.ts'

/** How one version is taken back. */
export interface UndoStep {
  readonly version: string
  readonly file: string
  /** undo file: somebody wrote it; down: the Knex file itself says how; computed: from the schemas before and after. */
  readonly how: 'undo file' | 'down' | 'computed'
  /** Of an undo file and of `down` one entry with the whole text. */
  readonly statements: readonly DiffStatement[]
}

/** What a step is made of, beside what is shown. */
export interface PlannedStep extends UndoStep {
  readonly row: HistoryRow
  readonly undo: MigrationFile | null
  readonly knex: MigrationFile | null
}

export interface PlanOptions {
  readonly scratch: Scratch
  readonly placeholders?: Readonly<Record<string, string>> | undefined
}

/** Plans how versions are taken back; `undone` has the newest first. Nothing is changed. */
export async function planUndo(
  session: MigrationSession,
  files: readonly MigrationFile[],
  rows: readonly HistoryRow[],
  undone: readonly HistoryRow[],
  options: PlanOptions,
): Promise<PlannedStep[]> {
  const undoOf = (row: HistoryRow, kind: MigrationFile['kind']) =>
    files.find((file) => file.kind === kind && canonicalVersion(file.version) === canonicalVersion(row.version)) ?? null
  const written = undone.map((row) => {
    const own = undoOf(row, 'versioned')
    return { row, undo: undoOf(row, 'undo'), knex: own?.knex !== undefined && own.undoText?.trim() ? own : null }
  })
  const computed = written.filter(({ undo, knex }) => undo === null && knex === null).map(({ row }) => row)
  const reversals = computed.length === 0 ? new Map() : await computeReversals(session, rows, computed, options)
  return written.map(({ row, undo, knex }) => {
    const step = { version: row.version, file: row.file, row, undo, knex }
    if (undo)
      return {
        ...step,
        how: 'undo file',
        statements: [whole(undo.file, fillPlaceholders(undo.text, options.placeholders, undo.file))],
      }
    if (knex) return { ...step, how: 'down', statements: [whole(knex.file, knex.undoText ?? '')] }
    return { ...step, how: 'computed', statements: reversals.get(row) ?? [] }
  })
}

function whole(file: string, sql: string): DiffStatement {
  return { sql: sql.trim().replace(/;$/, ''), object: file, hazard: null, reason: null }
}

/** Runs what was applied on a scratch database and compares what is there before and behind each version. */
async function computeReversals(
  session: MigrationSession,
  rows: readonly HistoryRow[],
  undone: readonly HistoryRow[],
  { scratch, placeholders }: PlanOptions,
): Promise<Map<HistoryRow, DiffStatement[]>> {
  const { connection, table } = session
  const applied = rows
    .filter(({ kind }) => kind === 'versioned' || kind === 'baseline')
    .toSorted((a, b) => compareVersions(a.version, b.version))
  const sources = new Map<HistoryRow, { path: string; text: string }>()
  for (const row of applied) {
    sources.set(row, { path: `V${row.version}__${row.name}.sql`, text: await readBody(connection, table, row.version) })
  }
  const url = await scratch.database()
  const catalogUpTo = async (row: HistoryRow): Promise<Catalog> => {
    session.progress(`replaying the history up to ${row.version}`)
    const files = [...sources.values()]
    await applyMigrations(url, {
      files,
      to: row.version,
      historyTable: table.text,
      placeholders,
      signal: session.signal,
    })
    return forgetRunner(await readLive(url))
  }

  const reversals = new Map<HistoryRow, DiffStatement[]>()
  let before = forgetRunner(await readLive(url))
  let last: HistoryRow | null = null
  for (const [n, row] of applied.entries()) {
    if (!undone.includes(row)) continue
    const previous = applied[n - 1]
    if (previous && previous !== last) before = await catalogUpTo(previous)
    const after = await catalogUpTo(row)
    reversals.set(row, [
      ...(await rowsWritten(row, sources.get(row)?.text ?? '')),
      ...(await reverse(after, before, table.text)),
    ])
    before = after
    last = row
  }
  return reversals
}

async function reverse(after: Catalog, before: Catalog, historyTable: string): Promise<DiffStatement[]> {
  // Compared on copies: the next version starts from the whole catalog.
  const [left, right] = [structuredClone(after), structuredClone(before)]
  makeReplaysComparable(left, right, historyTable)
  // The history lives there.
  const [schema = ''] = historyTable.split('.')
  if (!right.schemas.has(schema)) left.schemas.delete(schema)
  return diffCatalogs(left, right, { concurrently: false })
}

const WRITES = new Set(['InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt', 'TruncateStmt', 'CopyStmt'])

/** The schema goes back; what a file did to rows of tables that stay, nobody knows how to reverse. */
async function rowsWritten(row: HistoryRow, text: string): Promise<DiffStatement[]> {
  const { statements } = await parseSql(text, row.file)
  const first = statements.find(({ kind }) => WRITES.has(kind))
  return first
    ? [
        {
          ...byHand(`${row.file}:${first.line}`, 'it wrote rows, which stay as they are where their tables stay'),
          hazard: null,
          reason: null,
        },
      ]
    : []
}
