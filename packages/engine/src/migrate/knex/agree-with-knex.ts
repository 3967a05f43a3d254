import type { Transaction } from '@imhotep/postgres'
import { normalisedHash } from '../../parse/normalised-hash.ts'
import { chainHead, insertHistoryRow, nextChain, readHistoryRows, relink, type HistoryRow } from '../history-table.ts'
import { canonicalVersion, type MigrationFile } from '../migration-file.ts'
import type { MigrationSession } from '../migration-session.ts'
import { KnexDisagreesError, KnexFilesMissingError } from './errors.ts'
import { createKnexBook, readKnexBook, stem, type KnexBook } from './knex-book.ts'
import type { Knexfile } from './knexfile.ts'

export interface KnexOptions {
  /** Writes into Knex's table what the history has, and makes the table where there is none. */
  readonly keepKnex?: boolean | undefined
  /** Takes out of the history what Knex's table does not have. */
  readonly trustKnex?: boolean | undefined
}

/** Files, history and Knex's table side by side. */
export interface KnexComparison {
  /** Applied by Knex, not in the history. */
  readonly adopt: readonly MigrationFile[]
  /** In the history, not in Knex's table. */
  readonly unknownToKnex: readonly { readonly file: MigrationFile; readonly row: HistoryRow }[]
  /** In Knex's table, not among the files. */
  readonly withoutFile: readonly string[]
}

export function compareWithKnex(
  files: readonly MigrationFile[],
  rows: readonly HistoryRow[],
  book: KnexBook,
): KnexComparison {
  const programs = files.filter(({ knex }) => knex !== undefined)
  const recorded = new Map(rows.filter(({ success }) => success).map((row) => [canonicalVersion(row.version), row]))
  const names = new Set(book.names.map(stem))
  const stems = new Set(programs.map(({ file }) => stem(file)))
  const byRow = programs.map((file) => ({ file, row: recorded.get(canonicalVersion(file.version)) }))
  return {
    adopt: byRow.filter(({ file, row }) => !row && names.has(stem(file.file))).map(({ file }) => file),
    unknownToKnex: byRow.flatMap(({ file, row }) => (row && !names.has(stem(file.file)) ? [{ file, row }] : [])),
    withoutFile: book.names.filter((name) => !stems.has(stem(name))),
  }
}

/** The Knex files of a history and what their knexfile says; null when there are none. */
function programsOf(files: readonly MigrationFile[]): { knexfile: Knexfile; names: readonly string[] } | null {
  const programs = files.filter(({ knex }) => knex !== undefined)
  const knexfile = programs[0]?.knex?.project.knexfile
  return knexfile ? { knexfile, names: programs.map(({ file }) => file) } : null
}

/** Knex's table in a database of a history with Knex files, to be kept in step; null where there is none. */
export async function knexBookOf(connection: Transaction, files: readonly MigrationFile[]): Promise<KnexBook | null> {
  const programs = programsOf(files)
  return programs && readKnexBook(connection, programs.knexfile, programs.names)
}

/** The history as it will be when it agrees with Knex's table, without changing anything. */
export async function agreedRows(
  connection: Transaction,
  files: readonly MigrationFile[],
  rows: readonly HistoryRow[],
): Promise<{ rows: readonly HistoryRow[]; comparison: KnexComparison | null }> {
  const book = await knexBookOf(connection, files)
  if (!book) return { rows, comparison: null }
  const comparison = compareWithKnex(files, rows, book)
  let chain = chainHead(rows)
  const adopted = comparison.adopt.map((file): HistoryRow => {
    chain = nextChain(chain, file.checksum)
    const { version, name, checksum } = file
    return { version, name, kind: 'versioned', file: file.file, checksum, chain, success: true, statementsDone: 0 }
  })
  return { rows: [...rows, ...adopted], comparison }
}

/**
 * Makes the history and Knex's table say the same, in one transaction: takes over what Knex has applied, and fills a
 * table that Knex has just made. Returns the table, to be kept in step, and the files that were taken over.
 * @throws KnexLockedError, KnexDisagreesError, KnexFilesMissingError
 */
export async function agreeWithKnex(
  session: MigrationSession,
  files: readonly MigrationFile[],
  options: KnexOptions,
): Promise<{ book: KnexBook | null; adopted: readonly MigrationFile[] }> {
  const programs = programsOf(files)
  if (!programs) return { book: null, adopted: [] }
  const { connection } = session
  await connection.script('begin')
  try {
    if (options.keepKnex) await createKnexBook(connection, programs.knexfile)
    const book = await knexBookOf(connection, files)
    const adopted = book ? await agree(session, files, book, options) : []
    await connection.script('commit')
    return { book: book && (await knexBookOf(connection, files)), adopted }
  } catch (error) {
    await connection.script('rollback').catch(() => undefined)
    throw error
  }
}

async function agree(
  session: MigrationSession,
  files: readonly MigrationFile[],
  book: KnexBook,
  options: KnexOptions,
): Promise<readonly MigrationFile[]> {
  await book.checkLock(session.connection)
  const rows = await readHistoryRows(session.connection, session.table)
  const { adopt, unknownToKnex, withoutFile } = compareWithKnex(files, rows, book)
  if (withoutFile.length > 0) throw new KnexFilesMissingError(book.table, withoutFile)

  if (options.keepKnex || !book.everUsed) {
    for (const { file } of unknownToKnex) await book.add(session.connection, file.file)
  } else if (options.trustKnex) {
    const gone = new Set(unknownToKnex.map(({ row }) => row))
    await forget(session, rows, gone)
    for (const { file } of gone) session.progress(`${file} was rolled back by Knex: taken out of the history`)
  } else if (unknownToKnex.length > 0) {
    const names = unknownToKnex.map(({ file }) => file.file)
    throw new KnexDisagreesError(book.table, names)
  }
  await adoptFiles(session, adopt)
  return adopt
}

async function forget({ connection, table }: MigrationSession, rows: readonly HistoryRow[], gone: Set<HistoryRow>) {
  const versions = [...gone].map(({ version }) => version)
  await connection.query(`delete from ${table.sql} where version = any($1::text[])`, [versions])
  await relink(
    connection,
    table,
    rows.filter((row) => !gone.has(row)),
  )
}

async function adoptFiles({ connection, table, progress }: MigrationSession, files: readonly MigrationFile[]) {
  const rows = await readHistoryRows(connection, table)
  let chain = chainHead(rows.filter(({ success }) => success))
  for (const { version, name, file, checksum, text } of files) {
    chain = nextChain(chain, checksum)
    const normalized = Buffer.from(await normalisedHash(text), 'hex')
    const row = { version, name, kind: 'versioned' as const, file, checksum, normalized, chain, body: text }
    await connection.script(insertHistoryRow(table, row, { replace: true }))
    progress(`${file} was applied by Knex: taken into the history`)
  }
}
