import { ImhotepError } from '@imhotep/base'

/** The file is no plain-text export of one database. */
export class NotADumpError extends ImhotepError {
  readonly code = 'IMH_BASELINE_NOT_A_DUMP'
  override readonly exitCode = 2
  readonly file: string
  constructor(file: string, reason: string, hint: string) {
    super(`'${file}' ${reason}`, { hint })
    this.file = file
  }
}

/** The export ends before its end: what would be made of it lacks an unknown rest. */
export class TruncatedDumpError extends ImhotepError {
  readonly code = 'IMH_BASELINE_TRUNCATED'
  override readonly exitCode = 2
  readonly file: string
  readonly line: number
  constructor(file: string, line: number, reason: string) {
    super(`'${file}' is cut off: ${reason} at line ${line}`, {
      hint: 'export it again, and look at the exit code of pg_dump and at the free space on the disk',
    })
    this.file = file
    this.line = line
  }
}

/** PostgreSQL's grammar refuses a statement of the export: an older one wrote it, or somebody edited it. */
export class DumpSyntaxError extends ImhotepError {
  readonly code = 'IMH_BASELINE_SYNTAX'
  override readonly exitCode = 2
  readonly file: string
  readonly line: number
  constructor(file: string, line: number, reason: string, options: ErrorOptions) {
    super(`${file}:${line}: ${reason}`, {
      ...options,
      hint: 'a name there may be a keyword since (system_user is one): export again with pg_dump --quote-all-identifiers, or quote it; anything else: correct the line',
    })
    this.file = file
    this.line = line
  }
}

/** The export is not UTF-8. */
export class DumpEncodingError extends ImhotepError {
  readonly code = 'IMH_BASELINE_ENCODING'
  override readonly exitCode = 2
  readonly file: string
  constructor(file: string, found: string, options: ErrorOptions = {}) {
    super(`'${file}' is ${found}, not UTF-8`, {
      ...options,
      hint: 'export it again with: pg_dump --encoding=UTF8 --file=dump.sql (a > of PowerShell writes UTF-16)',
    })
    this.file = file
  }
}

/** The server refused a script of the proof: it lacks something, or the script is wrong. */
export class ProofNotPossibleError extends ImhotepError {
  readonly code = 'IMH_BASELINE_PROOF'
  override readonly exitCode = 2
  constructor(step: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super(`the proof stopped while ${step}: ${reason}`, {
      cause,
      hint: 'an extension that the embedded server lacks: name a server that has it with --server; anything else: report it',
    })
  }
}

/** The rows of the export are too many for a migration. */
export class DataTooLargeError extends ImhotepError {
  readonly code = 'IMH_BASELINE_DATA_TOO_LARGE'
  override readonly exitCode = 2
  constructor(limit: number) {
    super(`the rows of the export take more than ${Math.round(limit / 1024 / 1024)} MB as a migration`, {
      hint: 'leave --data keep out, and load the rows with: pg_restore --data-only, or psql -f of pg_dump --data-only',
    })
  }
}

/** The live database is not what the export says: marking the baseline as applied would be a lie. */
export class AdoptRefusedError extends ImhotepError {
  readonly code = 'IMH_BASELINE_ADOPT_REFUSED'
  readonly differences: readonly { readonly object: string; readonly message: string }[]
  constructor(database: string, differences: readonly { readonly object: string; readonly message: string }[]) {
    const shown = differences.slice(0, 10).map(({ object, message }) => `  ${object}: ${message}`)
    const more = differences.length > shown.length ? [`  and ${differences.length - shown.length} more`] : []
    super(
      [`database '${database}' differs from the export in ${differences.length} places`, ...shown, ...more].join('\n'),
      { hint: 'export this database and make the baseline of that export, or adopt it as it is with --force' },
    )
    this.differences = differences
  }
}

/** A file of that name is there and says something else. */
export class BaselineExistsError extends ImhotepError {
  readonly code = 'IMH_BASELINE_EXISTS'
  readonly file: string
  constructor(file: string) {
    super(`'${file}' is there already and says something else`, {
      hint: 'write elsewhere with --output, or over it with --force while no shared database has applied it',
    })
    this.file = file
  }
}
