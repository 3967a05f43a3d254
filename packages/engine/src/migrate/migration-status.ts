import { sortEdited } from './check-history.ts'
import { compareHistory } from './compare-history.ts'
import { loadHistory, type HistorySource } from './apply-migrations.ts'
import { brokenLink, historyTable, readHistoryRows } from './history-table.ts'
import { agreedRows, type KnexComparison } from './knex/agree-with-knex.ts'
import { compareVersions, isVersion } from './migration-file.ts'
import { withConnection } from './migration-session.ts'

export interface StatusOptions extends HistorySource {
  readonly historyTable?: string | undefined
  readonly placeholders?: Readonly<Record<string, string>> | undefined
}

export interface VersionStatus {
  readonly version: string
  readonly file: string
  /**
   * edited: in more than comments; missing: applied, but not among the files, or a baseline file that stands for versions
   * which are neither; failed: interrupted half-way.
   */
  readonly state: 'applied' | 'pending' | 'edited' | 'missing' | 'failed'
}

export interface MigrationStatus {
  readonly versions: readonly VersionStatus[]
  /** The version from which on the history was changed by hand, null when it was not. */
  readonly chainBrokenAt: string | null
  /** Only where the files are Knex files and the database has Knex's table. */
  readonly knex?: KnexStatus
}

/** What Knex's table says, as file names. */
export interface KnexStatus {
  /** Applied by Knex; the next migrate takes them into the history. */
  readonly adopt: readonly string[]
  /** In the history, and not in Knex's table. */
  readonly unknownToKnex: readonly string[]
  /** In Knex's table, and not among the files. */
  readonly withoutFile: readonly string[]
}

/** Compares files and history without changing or locking anything; files in version order, then repeatable ones. */
export async function migrationStatus(url: string, options: StatusOptions): Promise<MigrationStatus> {
  const files = await loadHistory(options)
  const table = historyTable(options.historyTable)
  return withConnection(url, async (connection) => {
    const recorded = await readHistoryRows(connection, table)
    const { rows, comparison: knex } = await agreedRows(connection, files, recorded)
    const comparison = compareHistory(files, rows)
    const { edited } = await sortEdited(connection, table, comparison, options.placeholders)
    const { outOfReach } = comparison
    const editedVersions = new Set(edited.map(({ version }) => version))
    const versions: VersionStatus[] = [
      ...comparison.applied.map(({ file }) => ({ version: file.version, file: file.file, state: 'applied' as const })),
      ...comparison.edited.map(({ file, row }) => ({
        version: file.version,
        file: file.file,
        state: editedVersions.has(row.version) ? ('edited' as const) : ('applied' as const),
      })),
      ...comparison.pending.map(({ file, row }) => ({
        version: file.version,
        file: file.file,
        state: row?.success === false ? ('failed' as const) : ('pending' as const),
      })),
      ...comparison.missing.map(({ version, file, success }) => ({
        version,
        file,
        state: success ? ('missing' as const) : ('failed' as const),
      })),
      ...(outOfReach ? [{ version: outOfReach.version, file: outOfReach.file, state: 'missing' as const }] : []),
    ]
    const sorted = versions.toSorted(compareStatus)
    return { versions: sorted, chainBrokenAt: brokenLink(recorded), ...(knex ? { knex: knexStatus(knex) } : {}) }
  })
}

function knexStatus({ adopt, unknownToKnex, withoutFile }: KnexComparison): KnexStatus {
  return {
    adopt: adopt.map(({ file }) => file),
    unknownToKnex: unknownToKnex.map(({ file }) => file.file),
    withoutFile,
  }
}

function compareStatus(a: VersionStatus, b: VersionStatus): number {
  if (isVersion(a.version) && isVersion(b.version)) return compareVersions(a.version, b.version)
  if (isVersion(a.version) !== isVersion(b.version)) return isVersion(a.version) ? -1 : 1
  return a.file < b.file ? -1 : 1
}
