import { connect, type Database } from '@imhotep/postgres'
import { compareRows } from '../baseline/prove-rows.ts'
import { compareDetails, readDetails, type Detail } from '../catalog/read-details.ts'
import { compareCatalogs, type Difference } from '../catalog/compare.ts'
import { readCatalog } from '../catalog/live.ts'
import type { Catalog } from '../catalog/model.ts'
import { forgetRunner } from '../diff/forget-runner.ts'
import type { Scratch } from '../diff/scratch.ts'
import { applyMigrations, loadHistory, type HistorySource } from '../migrate/apply-migrations.ts'
import { CONNECTION_LOST, MigrationFailedError, UnknownVersionError } from '../migrate/errors.ts'
import { historyTable } from '../migrate/history-table.ts'
import { compareVersions, isVersion } from '../migrate/migration-file.ts'
import { printCatalog } from '../print/print-catalog.ts'
import type { PrintedObject } from '../print/printed-object.ts'
import { SquashDiffersError, SquashRefusedError } from './errors.ts'
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
 * the rows that they wrote. It has run on a second database, and made the same schema and the same rows there.
 * @throws UnknownVersionError, SquashRefusedError, SquashDiffersError
 */
export async function squashHistory(options: SquashOptions): Promise<Squashed> {
  const { to, scratch, placeholders, signal, onProgress } = options
  const versions = (await loadHistory(options)).filter(({ kind }) => kind === 'versioned').map(({ version }) => version)
  const last = isVersion(to) ? versions.find((version) => compareVersions(version, to) === 0) : undefined
  if (last === undefined) throw new UnknownVersionError(to, versions)
  const squashed = versions.filter((version) => compareVersions(version, last) <= 0)

  const url = await scratch.database()
  const { directory, files } = options
  const run = { historyTable: options.historyTable, placeholders, signal, onProgress }
  await applyMigrations(url, { directory, files, to: last, ...run })
  onProgress?.('reading what is there')
  const made = await readContents(url)
  const file = `B${last.replaceAll('.', '_')}__squashed.sql`
  refuseUnprintable(file, made.catalog)
  const history = historyTable(options.historyTable)
  const book = `${history.schema}.${history.name}`
  const written = await writeDown(url, made.catalog, book)
  const text = script(squashed, written.objects, written.rows.sql)

  onProgress?.('running it on a new database')
  const second = await scratch.database()
  await applyMigrations(second, { files: [{ path: file, text }], ...run }).catch((cause: unknown) => {
    signal?.throwIfAborted()
    throw isOfFile(cause) ? new SquashDiffersError(file, { cause }) : cause
  })
  const objects = [
    ...compareContents(made, await readContents(second)).map(describe),
    ...(await otherRows(url, second, made.catalog, book)),
  ]
  if (objects.length > 0) throw new SquashDiffersError(file, { objects })
  return { file, text, versions: squashed, tables: written.tables, rows: written.rows.count }
}

/** A connection that broke and a lock that was not given say nothing about the file. */
function isOfFile(error: unknown): boolean {
  return error instanceof MigrationFailedError && !['55P03', CONNECTION_LOST].includes(error.sqlstate ?? '')
}

interface Contents {
  readonly catalog: Catalog
  readonly details: readonly Detail[]
}

async function readContents(url: string): Promise<Contents> {
  return onDatabase(url, async (db) => ({
    catalog: forgetRunner(await readCatalog(db)),
    details: await readDetails(db),
  }))
}

function compareContents(left: Contents, right: Contents): Difference[] {
  return [...compareCatalogs(left.catalog, right.catalog), ...compareDetails(left.details, right.details)]
}

function describe({ object, kind, property }: Difference): string {
  const what = { missing: 'is lost', extra: 'is not of the versions', changed: 'is another one' }[kind]
  return property === null ? `${object} ${what}` : `${property} of ${object} ${what}`
}

/** The tables whose rows are not the same in both databases, the history aside. */
async function otherRows(first: string, second: string, catalog: Catalog, book: string): Promise<string[]> {
  const tables = new Map([...catalog.tables].filter(([key]) => key !== book))
  return onDatabase(first, (left) =>
    onDatabase(second, async (right) => {
      const found = await compareRows(left, right, { tables })
      return found.map(({ object }) => `rows of ${object} are other ones`)
    }),
  )
}

/** What a server knows by name only would be left out without a word. */
function refuseUnprintable(file: string, { others }: Catalog): void {
  const lost = [...others].flatMap(([key, { definition }]) => (definition === null ? [key] : []))
  if (lost.length > 0) throw new SquashRefusedError(file, lost)
}

async function writeDown(url: string, catalog: Catalog, book: string) {
  return onDatabase(url, async (db) => {
    const rows = await printRows(db, catalog, book)
    const printed: Catalog = { ...catalog, tables: new Map(catalog.tables) }
    dropUntouchedBook(printed, book)
    return { rows, objects: await printCatalog(printed, { repeatable: true }), tables: printed.tables.size }
  })
}

async function onDatabase<T>(url: string, work: (db: Database) => Promise<T>): Promise<T> {
  const db = connect(url, { applicationName: 'imhotep', max: 1 })
  try {
    return await work(db)
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
