import { ImhotepError } from '@imhotep/base'
import { quoteList } from '../quote-list.ts'

/** A package that the project's Knex migrations need is not installed in the project. */
export class KnexMissingError extends ImhotepError {
  readonly code = 'IMH_KNEX_MISSING'
  override readonly exitCode = 2
  constructor(name: string, directory: string, options: ErrorOptions = {}) {
    super(`'${directory}' has Knex migrations, and no package '${name}' is installed there`, {
      ...options,
      hint: `in the project run: npm install ${name}`,
    })
  }
}

/** A JavaScript or TypeScript file could not be loaded, or exports no `up`. */
export class KnexLoadError extends ImhotepError {
  readonly code = 'IMH_KNEX_LOAD'
  readonly file: string
  constructor(file: string, reason: string, hint: string, options: ErrorOptions = {}) {
    super(`cannot load '${file}': ${reason}`, { ...options, hint })
    this.file = file
  }
}

/** Knex's own lock is taken: Knex migrates this database now, or was killed while it did. */
export class KnexLockedError extends ImhotepError {
  readonly code = 'IMH_KNEX_LOCKED'
  override readonly exitCode = 2
  constructor(lockTable: string) {
    super(`Knex holds its migration lock (${lockTable}.is_locked = 1)`, {
      hint: 'wait for it; when no Knex process runs any more, free it with: npx knex migrate:unlock',
    })
  }
}

/** Imhotep's history and Knex's table do not say the same about a file, and neither can be believed without a person. */
export class KnexDisagreesError extends ImhotepError {
  readonly code = 'IMH_KNEX_DISAGREES'
  readonly files: readonly string[]
  constructor(table: string, files: readonly string[]) {
    super(`applied according to the history, but not in ${table}: ${quoteList(files)}`, {
      hint: 'rolled back by Knex: imhotep migrate --trust-knex; still there: imhotep migrate --keep-knex writes them into the table',
    })
    this.files = files
  }
}

/** Knex's table names migrations that are not among the files. */
export class KnexFilesMissingError extends ImhotepError {
  readonly code = 'IMH_KNEX_FILES_MISSING'
  readonly files: readonly string[]
  constructor(table: string, files: readonly string[]) {
    super(`${table} names what is not among the files: ${quoteList(files)}`, {
      hint: 'get the newer files (update the project), or point the configuration to the directory that has them',
    })
    this.files = files
  }
}

/** Another process applied the file while this one was about to. */
export class KnexAppliedMeanwhileError extends ImhotepError {
  readonly code = 'IMH_KNEX_APPLIED_MEANWHILE'
  constructor(file: string) {
    super(`Knex has applied '${file}' meanwhile; nothing was done a second time`, {
      hint: 'run imhotep migrate again: it takes over what Knex recorded',
    })
  }
}

/** A file without transaction was interrupted after some of its statements, and JavaScript cannot be taken up half-way. */
export class KnexInterruptedError extends ImhotepError {
  readonly code = 'IMH_KNEX_INTERRUPTED'
  constructor(file: string, version: string, statementsDone: number) {
    super(`'${file}' was interrupted after ${statementsDone} of its statements, which stay in the database`, {
      hint: `take back what they did (imhotep repair ${version} --dry-run shows the record), then run imhotep repair ${version} and migrate again`,
    })
  }
}
