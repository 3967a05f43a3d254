import { connect } from '@imhotep/postgres'
import { readCatalog } from '../catalog/live.ts'
import type { Catalog } from '../catalog/model.ts'
import { forgetRunner } from '../diff/forget-runner.ts'
import type { Scratch } from '../diff/scratch.ts'
import { applyMigrations, loadHistory, type HistorySource } from '../migrate/apply-migrations.ts'
import { UnknownVersionError } from '../migrate/errors.ts'
import { historyTable } from '../migrate/history-table.ts'
import { compareVersions, isVersion } from '../migrate/migration-file.ts'
import { printCatalog } from '../print/print-catalog.ts'
import type { PrintedObject } from '../print/printed-object.ts'
import { printRows } from './print-rows.ts'

export interface SquashOptions extends HistorySource {
  readonly to: string
  readonly scratch: Scratch
  readonly historyTable?: string | undefined
  readonly placeholders?: Readonly<Record<string, string>> | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((text: string) => void) | undefined
}

export interface Squashed {
  /** `B040__squashed.sql` */
  readonly file: string
  readonly text: string
  /** The versions that it stands for. */
  readonly versions: readonly string[]
  readonly tables: number
  readonly rows: number
}

/**
 * The versions up to `to` as one file that a new database runs instead of them: what they make on a scratch server, and
 * the rows that they wrote.
 * @throws UnknownVersionError
 */
export async function squashHistory(options: SquashOptions): Promise<Squashed> {
  const { to, scratch, placeholders, signal, onProgress } = options
  const versions = (await loadHistory(options)).filter(({ kind }) => kind === 'versioned').map(({ version }) => version)
  const last = isVersion(to) ? versions.find((version) => compareVersions(version, to) === 0) : undefined
  if (last === undefined) throw new UnknownVersionError(to, versions)
  const squashed = versions.filter((version) => compareVersions(version, last) <= 0)

  const url = await scratch.database()
  const { directory, files } = options
  await applyMigrations(url, {
    directory,
    files,
    to: last,
    historyTable: options.historyTable,
    placeholders,
    signal,
    onProgress,
  })
  const db = connect(url, { applicationName: 'imhotep', max: 1 })
  try {
    onProgress?.('reading what is there')
    const catalog = forgetRunner(await readCatalog(db))
    const book = historyTable(options.historyTable)
    const key = `${book.schema}.${book.name}`
    const rows = await printRows(db, catalog, key)
    dropUntouchedBook(catalog, key)
    const objects = await printCatalog(catalog, { repeatable: true })
    return {
      file: `B${last.replaceAll('.', '_')}__squashed.sql`,
      text: script(squashed, objects, rows.sql),
      versions: squashed,
      tables: catalog.tables.size,
      rows: rows.count,
    }
  } finally {
    await db.close()
  }
}

/** The runner makes the history by itself; only what the files say about it is theirs. */
function dropUntouchedBook(catalog: Catalog, key: string): void {
  const table = catalog.tables.get(key)
  if (table && table.comment === null && table.grants.length === 0) catalog.tables.delete(key)
}

const BEHIND_ROWS = new Set(['constraints', 'views', 'triggers', 'policies', 'grants', 'comments'])

/** Rows come behind the tables, and before the keys and triggers that would look at them one by one. */
function script(versions: readonly string[], objects: readonly PrintedObject[], rows: readonly string[]): string {
  const at = objects.findIndex(({ section }) => BEHIND_ROWS.has(section))
  const split = at < 0 ? objects.length : at
  const texts = (part: readonly PrintedObject[]) => part.map(({ sql }) => sql)
  return `${[
    `-- Stands for the versions ${versions[0]} to ${versions.at(-1)}: a new database runs it instead of them.`,
    'set local client_min_messages = warning;\nset local check_function_bodies = off;',
    ...texts(objects.slice(0, split)),
    ...rows,
    ...texts(objects.slice(split)),
  ].join('\n\n')}\n`
}
