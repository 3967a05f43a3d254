import { ImhotepError, type ImhotepErrorOptions } from '@imhotep/base'
import type { SqlSyntaxError } from '../parse/syntax-error.ts'
import { quoteList } from './quote-list.ts'

/** The directory of migrations cannot be read. */
export class MigrationDirectoryError extends ImhotepError {
  readonly code = 'IMH_MIGRATION_DIRECTORY'
  override readonly exitCode = 2
  readonly directory: string
  constructor(directory: string, options: ErrorOptions = {}) {
    super(`cannot read the migrations in '${directory}'`, {
      ...options,
      hint: 'check the path, or create one with: imhotep init',
    })
    this.directory = directory
  }
}

/** Files whose names say neither a version nor that they are repeatable. */
export class MigrationNameError extends ImhotepError {
  readonly code = 'IMH_MIGRATION_NAME'
  readonly files: readonly string[]
  constructor(files: readonly string[]) {
    super(`not a migration's file name: ${quoteList(files)}`, {
      hint: 'rename to V002__what_it_does.sql (or 002_what_it_does.sql, R__what_it_defines.sql), or move the file elsewhere',
    })
    this.files = files
  }
}

/** A migration file is not UTF-8 text. */
export class MigrationEncodingError extends ImhotepError {
  readonly code = 'IMH_MIGRATION_ENCODING'
  readonly file: string
  constructor(file: string, options: ErrorOptions = {}) {
    super(`'${file}' is not UTF-8`, { ...options, hint: 'save the file with UTF-8 encoding' })
    this.file = file
  }
}

/** Two files carry the same version; `001` and `1` are the same. */
export class DuplicateVersionError extends ImhotepError {
  readonly code = 'IMH_MIGRATION_DUPLICATE'
  readonly version: string
  readonly files: readonly string[]
  constructor(version: string, files: readonly string[]) {
    super(`version ${version} is used twice: ${quoteList(files)}`, {
      hint: 'give the newer file, the one that no shared database has applied, the next free version',
    })
    this.version = version
    this.files = files
  }
}

/** A version was named that neither the files nor the history know. */
export class UnknownVersionError extends ImhotepError {
  readonly code = 'IMH_MIGRATION_UNKNOWN_VERSION'
  override readonly exitCode = 2
  readonly version: string
  constructor(version: string, known: readonly string[]) {
    super(`version '${version}' does not exist`, {
      hint: known.length === 0 ? 'see: imhotep status' : `choose one of ${known.join(', ')} (see: imhotep status)`,
    })
    this.version = version
  }
}

/** Of errors in one message. */
const maxShown = 5

/** Pending files that PostgreSQL's grammar refuses; nothing was applied. */
export class MigrationSyntaxError extends ImhotepError {
  readonly code = 'IMH_MIGRATION_SYNTAX'
  readonly errors: readonly SqlSyntaxError[]
  constructor(errors: readonly SqlSyntaxError[]) {
    const shown = errors.slice(0, maxShown).map((error) => error.message)
    const more = errors.length - shown.length
    super([...shown, ...(more > 0 ? [`and ${more} more`] : [])].join('\n'), {
      hint: `${errors[0]?.advice ?? 'correct the file and run it again'}; nothing was applied`,
    })
    this.errors = errors
  }
}

/** A pending file holds something that cannot be sent as one transaction, and cannot be taken apart either. */
export class MigrationStatementError extends ImhotepError {
  readonly code = 'IMH_MIGRATION_STATEMENT'
  readonly file: string
  readonly line: number
  readonly column: number
  constructor(file: string, line: number, column: number, reason: string, hint: string) {
    super(`${file}:${line}:${column}: ${reason}`, { hint })
    this.file = file
    this.line = line
    this.column = column
  }
}

/** A placeholder in a file has no value. */
export class PlaceholderError extends ImhotepError {
  readonly code = 'IMH_MIGRATION_PLACEHOLDER'
  readonly placeholder: string
  constructor(file: string, line: number, placeholder: string) {
    super(`${file}:${line}: placeholder '${placeholder}' has no value`, {
      hint: `give one: --placeholder ${placeholder}=VALUE`,
    })
    this.placeholder = placeholder
  }
}

export interface FailurePlace {
  readonly file: string
  /** Counted from 1; null when PostgreSQL did not say which statement failed. */
  readonly line: number | null
  readonly column: number | null
  readonly frame: string | null
}

/**
 * A statement failed while it ran. What the file had done is rolled back, or for a file without transaction, recorded; when
 * the connection broke nobody knows.
 */
export class MigrationFailedError extends ImhotepError {
  readonly code = 'IMH_MIGRATION_FAILED'
  override readonly exitCode: 1 | 2
  readonly file: string
  readonly line: number | null
  readonly column: number | null
  readonly frame: string | null
  readonly sqlstate: string | null
  constructor(place: FailurePlace, sqlstate: string | null, reason: string, options: ImhotepErrorOptions) {
    const at = place.line === null ? place.file : `${place.file}:${place.line}:${place.column ?? 1}`
    const state = sqlstate === null ? '' : ` (SQLSTATE ${sqlstate})`
    super(`${at}: ${reason}${state}${place.frame === null ? '' : `\n${place.frame}`}`, options)
    this.file = place.file
    this.line = place.line
    this.column = place.column
    this.frame = place.frame
    this.sqlstate = sqlstate
    this.exitCode = sqlstate === CONNECTION_LOST ? 2 : 1
  }
}

/** SQLSTATE: the connection broke, nobody knows whether the last message was carried out. */
export const CONNECTION_LOST = '08006'

export interface EditedFile {
  readonly version: string
  readonly file: string
  /** Unified diff from what was applied to what the file says now. */
  readonly diff: string
}

/** Files were changed after they had been applied, in more than comments and white space. */
export class MigrationEditedError extends ImhotepError {
  readonly code = 'IMH_MIGRATION_EDITED'
  readonly edited: readonly EditedFile[]
  constructor(edited: readonly EditedFile[]) {
    const diffs = edited.map(({ diff }) => diff).join('\n')
    super(`changed after it was applied: ${quoteList(edited.map(({ file }) => file))}\n${diffs}`, {
      hint: `take the change back and put it into a new migration; or, when the database already has it: imhotep repair ${edited[0]?.version ?? ''}`,
    })
    this.edited = edited
  }
}

/** The files of versions that the database lacks were removed when they were squashed. */
export class MigrationSquashedError extends ImhotepError {
  readonly code = 'IMH_MIGRATION_SQUASHED'
  readonly newest: string
  readonly baseline: string
  constructor(newest: string, { file, version }: { readonly file: string; readonly version: string }) {
    super(
      `the database is at ${newest}, and the files from there to ${version} are gone: '${file}' is for new databases`,
      {
        hint: `get the files up to ${version} back (git log --diff-filter=D shows who removed them), migrate with them, then remove them`,
      },
    )
    this.newest = newest
    this.baseline = file
  }
}

/** The database has versions that the files lack: it was migrated with newer files. */
export class MigrationMissingError extends ImhotepError {
  readonly code = 'IMH_MIGRATION_MISSING'
  readonly missing: readonly { readonly version: string; readonly file: string }[]
  constructor(missing: readonly { readonly version: string; readonly file: string }[], historyTable: string) {
    super(`the database has applied what is not among the files: ${quoteList(missing.map(({ file }) => file))}`, {
      hint: `get the newer files (update the project or the package); the text that was applied is in ${historyTable}.body`,
    })
    this.missing = missing
  }
}

/** Pending versions are lower than one that is already applied. */
export class OutOfOrderError extends ImhotepError {
  readonly code = 'IMH_MIGRATION_OUT_OF_ORDER'
  readonly files: readonly string[]
  readonly newest: string
  constructor(files: readonly string[], newest: string) {
    super(`not applied, but older than version ${newest}, which is: ${quoteList(files)}`, {
      hint: 'give the file a higher version, or apply it as it is: imhotep migrate --out-of-order',
    })
    this.files = files
    this.newest = newest
  }
}

/** An older pending file and a newer applied one touch the same object, so their order decides what comes out. */
export class OutOfOrderConflictError extends ImhotepError {
  readonly code = 'IMH_MIGRATION_CONFLICT'
  readonly pending: string
  readonly applied: string
  readonly objects: readonly string[]
  constructor(pending: string, applied: string, objects: readonly string[]) {
    super(`'${pending}' and the already applied '${applied}' both touch ${quoteList(objects)}`, {
      hint: `give '${pending}' a higher version, so that every database runs the two in the same order`,
    })
    this.pending = pending
    this.applied = applied
    this.objects = objects
  }
}

/** Another process migrates this database and did not finish in time. */
export class MigrationLockedError extends ImhotepError {
  readonly code = 'IMH_MIGRATION_LOCKED'
  override readonly exitCode = 2
  readonly pid: number | null
  constructor(holder: string, pid: number | null, waitedMs: number) {
    super(`another migration holds the lock (${holder}), waited ${Math.round(waitedMs / 1000)} s`, {
      hint: `wait and run it again; when that process is dead: select pg_terminate_backend(${pid ?? 'pid'})`,
    })
    this.pid = pid
  }
}

/** The connection no longer holds the lock it took. */
export class MigrationLockLostError extends ImhotepError {
  readonly code = 'IMH_MIGRATION_LOCK_LOST'
  override readonly exitCode = 2
  constructor(options: ErrorOptions = {}) {
    super('the migration lock was lost', {
      ...options,
      hint: 'connect to PostgreSQL directly, not through a pooler in transaction mode, and run it again',
    })
  }
}

/** The caller asked to stop (Ctrl-C); the running transaction was rolled back. */
export class MigrationCancelledError extends ImhotepError {
  readonly code = 'IMH_MIGRATION_CANCELLED'
  /** Files that were applied before. */
  readonly applied: readonly string[]
  constructor(applied: readonly string[], running: string | null) {
    const state = running === null ? 'no file was running' : `'${running}' was stopped`
    super(`cancelled: ${state}; applied before: ${applied.length === 0 ? 'none' : quoteList(applied)}`, {
      hint: 'run it again to go on from here',
    })
    this.applied = applied
  }
}

/** The history table's name is malformed, or a table of that name belongs to something else. */
export class HistoryTableError extends ImhotepError {
  readonly code = 'IMH_HISTORY_TABLE'
  override readonly exitCode = 2
  readonly table: string
  constructor(table: string, reason: string, hint: string) {
    super(`history table '${table}': ${reason}`, { hint })
    this.table = table
  }
}

/** A history cannot be marked as applied because the database already has one. */
export class BaselineRefusedError extends ImhotepError {
  readonly code = 'IMH_BASELINE_REFUSED'
  constructor(table: string, rows: number) {
    super(`${table} already records ${rows} migration${rows === 1 ? '' : 's'}`, {
      hint: 'a baseline is for a database that was never migrated; see: imhotep status',
    })
  }
}

/** Files would be run again that another tool has applied. */
export class AppliedByOtherToolError extends ImhotepError {
  readonly code = 'IMH_APPLIED_BY_OTHER_TOOL'
  override readonly exitCode = 2
  /** Files up to the newest that the tool has not applied. */
  readonly missing: readonly string[]
  constructor(found: { tool: string; table: string; newest: string; missing: readonly string[] }) {
    const { tool, table, newest, missing } = found
    super(`${tool} has applied these files up to ${newest} (${table}), and Imhotep none of them yet`, {
      hint:
        (missing.length === 0 ? '' : `it has not applied ${quoteList(missing)}: do that with ${tool} first. `) +
        `take its history over with: imhotep migrate --baseline ${newest}; ` +
        'if it is the history of other files: --ignore-other-tools',
    })
    this.missing = missing
  }
}

/** The history of a production database is not rewritten by default. */
export class RepairRefusedError extends ImhotepError {
  readonly code = 'IMH_REPAIR_REFUSED'
  constructor(version: string, environment: string) {
    super(`the history of a ${environment} database is not changed (version ${version})`, {
      hint: 'put the file back as it was applied: the recorded text is shown by imhotep repair --dry-run',
    })
  }
}
