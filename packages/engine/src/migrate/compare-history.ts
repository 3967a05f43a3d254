import type { HistoryRow } from './history-table.ts'
import { canonicalVersion, compareVersions, type MigrationFile } from './migration-file.ts'

/** Files against history: a set difference by version, never a high-water mark. */
export interface HistoryComparison {
  /** To be run, in order; files that were interrupted come with their row. */
  readonly pending: readonly { readonly file: MigrationFile; readonly row: HistoryRow | null }[]
  /** Applied, and the file's bytes are still the same. */
  readonly applied: readonly { readonly file: MigrationFile; readonly row: HistoryRow }[]
  /** Applied, and the bytes are not the same any more. */
  readonly edited: readonly { readonly file: MigrationFile; readonly row: HistoryRow }[]
  /** Rows without a file. */
  readonly missing: readonly HistoryRow[]
  /** The highest version that is applied. */
  readonly newest: string | null
}

/** Compares files with the rows of the history. Undo files, and the seeds in the history, take no part. */
export function compareHistory(files: readonly MigrationFile[], rows: readonly HistoryRow[]): HistoryComparison {
  const history = rows.filter(({ kind }) => kind !== 'seed')
  const rowByVersion = new Map(history.map((row) => [canonicalVersion(row.version), row]))
  const comparison = {
    pending: [] as { file: MigrationFile; row: HistoryRow | null }[],
    applied: [] as { file: MigrationFile; row: HistoryRow }[],
    edited: [] as { file: MigrationFile; row: HistoryRow }[],
  }
  const known = new Set<string>()
  for (const file of files) {
    if (file.kind === 'undo') continue
    const version = canonicalVersion(file.version)
    const row = rowByVersion.get(version) ?? null
    known.add(version)
    if (row?.success !== true) comparison.pending.push({ file, row })
    else if (row.checksum.equals(file.checksum)) comparison.applied.push({ file, row })
    else if (file.kind === 'repeatable') comparison.pending.push({ file, row })
    else comparison.edited.push({ file, row })
  }

  // A repeatable file that was deleted leaves what it defined behind; that is not a history from the future.
  const missing = history.filter(({ version, kind }) => kind !== 'repeatable' && !known.has(canonicalVersion(version)))
  return { ...comparison, missing, newest: newestVersion(history) }
}

function newestVersion(rows: readonly HistoryRow[]): string | null {
  const versions = rows.filter(({ kind, success }) => success && kind !== 'repeatable').map(({ version }) => version)
  return versions.toSorted(compareVersions).at(-1) ?? null
}
