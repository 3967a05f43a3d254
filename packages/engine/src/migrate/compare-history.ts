import type { HistoryRow } from './history-table.ts'
import { canonicalVersion, compareVersions, parseMigrationName, type MigrationFile } from './migration-file.ts'

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
  /** A baseline file that stands for versions which the database lacks and whose files are gone. */
  readonly outOfReach: MigrationFile | null
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
  for (const file of withoutSquashed(files, history)) {
    const version = canonicalVersion(file.version)
    const row = rowByVersion.get(version) ?? null
    known.add(version)
    if (row?.success !== true) comparison.pending.push({ file, row })
    else if (row.checksum.equals(file.checksum)) comparison.applied.push({ file, row })
    else if (file.kind === 'repeatable') comparison.pending.push({ file, row })
    else comparison.edited.push({ file, row })
  }

  // A repeatable file that was deleted leaves what it defined behind; that is not a history from the future.
  // Nor are versions that a baseline file stands for: they may be removed when it is there.
  const squashedTo = highest(files.filter(({ kind }) => kind === 'baseline'))
  const missing = history.filter(
    ({ version, kind }) =>
      kind !== 'repeatable' &&
      !known.has(canonicalVersion(version)) &&
      (squashedTo === null || compareVersions(version, squashedTo.version) > 0),
  )
  const newest = newestVersion(history)
  const isReached =
    squashedTo === null ||
    newest === null ||
    compareVersions(newest, squashedTo.version) >= 0 ||
    files.some(({ kind, version }) => kind === 'versioned' && compareVersions(version, squashedTo.version) === 0)
  return { ...comparison, missing, newest, outOfReach: isReached ? null : squashedTo }
}

/**
 * The files that count for a database. One without a history starts with the highest baseline file, and what that stands
 * for never counts there; one that has a history has no use for a baseline file.
 */
function withoutSquashed(files: readonly MigrationFile[], history: readonly HistoryRow[]): MigrationFile[] {
  const applied = history.filter(({ kind, success }) => success && (kind === 'versioned' || kind === 'baseline'))
  const started = applied.findLast(
    ({ kind, file }) => kind === 'baseline' && parseMigrationName(file)?.kind === 'baseline',
  )
  const baselines = files.filter(({ kind }) => kind === 'baseline')
  const baseline =
    applied.length === 0
      ? highest(baselines)
      : (baselines.find(({ version }) => started && compareVersions(version, started.version) === 0) ?? null)
  const start = baseline?.version ?? started?.version ?? null
  return files.filter((file) => {
    if (file.kind === 'undo') return false
    if (file.kind === 'baseline') return file === baseline
    return file.kind !== 'versioned' || start === null || compareVersions(file.version, start) > 0
  })
}

function highest(files: readonly MigrationFile[]): MigrationFile | null {
  return files.toSorted((a, b) => compareVersions(a.version, b.version)).at(-1) ?? null
}

function newestVersion(rows: readonly HistoryRow[]): string | null {
  const versions = rows.filter(({ kind, success }) => success && kind !== 'repeatable').map(({ version }) => version)
  return versions.toSorted(compareVersions).at(-1) ?? null
}
