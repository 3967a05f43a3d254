import { setImmediate } from 'node:timers/promises'
import { parseSql, type ParsedFile } from '../parse/parse-sql.ts'
import { MigrationSyntaxError } from './errors.ts'
import type { HistoryRow } from './history-table.ts'
import type { MigrationFile } from './migration-file.ts'
import { isGuessed, knexMode } from './knex/knex-mode.ts'
import { fillPlaceholders } from './placeholders.ts'
import { transactionMode, type TransactionMode } from './transaction-mode.ts'
import { treeHash } from './tree-hash.ts'

/** A pending file, read and understood. */
export interface PreparedFile extends TransactionMode {
  readonly file: MigrationFile
  readonly normalized: Buffer
  /** The record of an earlier, interrupted run of a file without transaction, or of an older text of a repeatable file. */
  readonly row: HistoryRow | null
}

interface Reading {
  readonly parsed: ParsedFile
  readonly normalized: Buffer
}

/** By text: what `parseAhead` has parsed and no run has taken yet. */
const readAhead = new Map<string, Reading>()

/** Parses files before there is a database to apply them to; the run that follows takes what is there. */
export async function parseAhead(
  files: readonly MigrationFile[],
  placeholders?: Readonly<Record<string, string>>,
): Promise<void> {
  for (const file of files.filter(({ knex }) => knex === undefined)) {
    const text = fillPlaceholders(file.text, placeholders, file.file)
    const parsed = await parseSql(text, file.file)
    await setImmediate() // a server that was waited for may be there by now
    readAhead.set(text, { parsed, normalized: treeHash(parsed.statements) })
  }
}

/**
 * Parses all pending files, so that a broken one stops the run before anything is sent.
 * @throws MigrationSyntaxError naming every syntax error of every file; MigrationStatementError, PlaceholderError
 */
export async function prepareFiles(
  pending: readonly { readonly file: MigrationFile; readonly row: HistoryRow | null }[],
  placeholders?: Readonly<Record<string, string>>,
): Promise<PreparedFile[]> {
  const read = []
  for (const { file, row } of pending) {
    // What a program sends is made by its code, `${` in it is no placeholder.
    const text = file.knex ? file.text : fillPlaceholders(file.text, placeholders, file.file)
    const ahead = readAhead.get(text)
    readAhead.delete(text)
    read.push({ file, row, ahead, parsed: ahead?.parsed ?? (await parseSql(text, file.file)) })
  }
  // A plan that was told too little may be broken where the run is not.
  const errors = read.flatMap((one) => (isGuessed(one.file) ? [] : one.parsed.errors))
  if (errors.length > 0) throw new MigrationSyntaxError(errors)

  return read.map((one) => {
    const normalized = one.ahead?.normalized ?? treeHash(one.parsed.statements)
    const mode = one.file.knex ? knexMode(one.file, one.file.knex, one.parsed) : transactionMode(one.parsed)
    return { file: one.file, row: one.row, normalized, ...mode }
  })
}
