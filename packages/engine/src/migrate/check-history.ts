import type { Transaction } from '@imhotep/postgres'
import { normalisedHash } from '../parse/normalised-hash.ts'
import { parseSql } from '../parse/parse-sql.ts'
import type { HistoryComparison } from './compare-history.ts'
import {
  MigrationEditedError,
  MigrationMissingError,
  MigrationSquashedError,
  OutOfOrderConflictError,
  OutOfOrderError,
  type EditedFile,
} from './errors.ts'
import { readBody, readNormalized, type HistoryRow, type HistoryTable } from './history-table.ts'
import { unifiedDiff } from './line-diff.ts'
import { compareVersions, isKnexFile, type MigrationFile } from './migration-file.ts'
import { fillPlaceholders } from './placeholders.ts'
import { sharedObjects, touchedObjects, type TouchedObjects } from './touched-objects.ts'

export interface CheckOptions {
  readonly outOfOrder?: boolean | undefined
  readonly placeholders?: Readonly<Record<string, string>> | undefined
}

/**
 * Refuses a history that cannot be continued; returns warnings about what is harmless.
 * @throws MigrationMissingError, MigrationSquashedError, MigrationEditedError, OutOfOrderError, OutOfOrderConflictError
 */
export async function checkHistory(
  connection: Transaction,
  table: HistoryTable,
  comparison: HistoryComparison,
  options: CheckOptions,
): Promise<string[]> {
  const { missing, newest, outOfReach } = comparison
  if (missing.length > 0) throw new MigrationMissingError(missing, table.text)
  if (newest !== null && outOfReach) throw new MigrationSquashedError(newest, outOfReach)
  const { edited, commentsOnly } = await sortEdited(connection, table, comparison, options.placeholders)
  if (edited.length > 0) throw new MigrationEditedError(edited)
  await checkOrder(connection, table, comparison, options)
  return commentsOnly.map((file) => `'${file}' was changed after it was applied, in comments or white space only`)
}

/** Tells the edited files that mean something else from those where only comments and white space changed. */
export async function sortEdited(
  connection: Transaction,
  table: HistoryTable,
  comparison: Pick<HistoryComparison, 'edited'>,
  placeholders: Readonly<Record<string, string>> | undefined,
): Promise<{ edited: EditedFile[]; commentsOnly: string[] }> {
  const sorted = { edited: [] as EditedFile[], commentsOnly: [] as string[] }
  for (const { file, row } of comparison.edited) {
    const body = await readBody(connection, table, row.version)
    const isSame = file.knex
      ? await plansTheSame(connection, table, file, row)
      : await meansTheSame(body, file, placeholders)
    if (isSame) sorted.commentsOnly.push(file.file)
    else sorted.edited.push({ version: row.version, file: file.file, diff: diffOfApplied(body, file) })
  }
  return sorted
}

/** The unified diff from the text that was applied to the file's text. */
export function diffOfApplied(body: string, file: MigrationFile): string {
  return unifiedDiff(body, file.text, { before: `${file.file} (applied)`, after: `${file.file} (file)` })
}

/** What ran may differ from the plan, so plans are compared. */
async function plansTheSame(
  connection: Transaction,
  table: HistoryTable,
  file: MigrationFile,
  row: HistoryRow,
): Promise<boolean> {
  const before = await readNormalized(connection, table, row.version)
  return before?.toString('hex') === (await normalisedHash(file.text))
}

/** Both texts are filled with today's values, so that another value of a placeholder is not an edit. */
async function meansTheSame(
  body: string,
  file: MigrationFile,
  placeholders: Readonly<Record<string, string>> | undefined,
): Promise<boolean> {
  const hash = (text: string) => normalisedHash(fillPlaceholders(text, placeholders, file.file))
  return (await hash(body)) === (await hash(file.text))
}

async function checkOrder(
  connection: Transaction,
  table: HistoryTable,
  comparison: HistoryComparison,
  options: CheckOptions,
): Promise<void> {
  const { newest } = comparison
  if (newest === null) return
  const late = comparison.pending
    .map(({ file }) => file)
    .filter((file) => file.kind === 'versioned' && compareVersions(file.version, newest) < 0)
  if (late.length === 0) return
  if (!options.outOfOrder)
    throw new OutOfOrderError(
      late.map(({ file }) => file),
      newest,
    )

  const applied = [...comparison.applied, ...comparison.edited].filter(({ file }) => file.kind === 'versioned')
  for (const file of late) {
    const mine = await touchedBy(file.text, file.file, options)
    for (const { row } of applied.filter((other) => compareVersions(other.file.version, file.version) > 0)) {
      const shared = sharedObjects(mine, await touchedByRow(connection, table, row, options))
      if (shared.length > 0) throw new OutOfOrderConflictError(file.file, row.file, shared)
    }
  }
}

async function touchedByRow(
  connection: Transaction,
  table: HistoryTable,
  row: HistoryRow,
  options: CheckOptions,
): Promise<TouchedObjects> {
  return touchedBy(await readBody(connection, table, row.version), row.file, options)
}

async function touchedBy(text: string, file: string, options: CheckOptions): Promise<TouchedObjects> {
  const filled = isKnexFile(file) ? text : fillPlaceholders(text, options.placeholders, file)
  return touchedObjects((await parseSql(filled, file)).statements)
}
