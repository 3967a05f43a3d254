import { ImhotepError } from '@imhotep/base'

/** No database was named and the embedded server of this project does not run. */
export class ServerNotRunningError extends ImhotepError {
  readonly code = 'IMH_SERVER_NOT_RUNNING'
  override readonly exitCode = 2
  constructor(project: string) {
    super(`no DATABASE_URL is set, and the embedded server of '${project}' is not running`, {
      hint: 'start it with: imhotep up; or name a database with --url or DATABASE_URL',
    })
  }
}

/** The working directory is not inside a project. */
export class ProjectNotFoundError extends ImhotepError {
  readonly code = 'IMH_PROJECT_NOT_FOUND'
  override readonly exitCode = 2
  constructor(directory: string) {
    super(`neither '${directory}' nor a directory above it has db/migration or an imhotep.config file`, {
      hint: 'make a project here with: imhotep init',
    })
  }
}

/** The config file of the project cannot be read, or holds what imhotep.schema.json does not allow. */
export class ConfigError extends ImhotepError {
  readonly code = 'IMH_CONFIG'
  override readonly exitCode = 2
  constructor(file: string, reason: string, options: ErrorOptions = {}) {
    super(`${file}: ${reason}`, {
      ...options,
      hint: 'correct the file; imhotep.schema.json of the package describes its settings',
    })
  }
}

/** The database carries another environment marker than the one asked for; a marker is set once. */
export class EnvironmentMismatchError extends ImhotepError {
  readonly code = 'IMH_ENVIRONMENT'
  constructor(database: string, marked: string, wanted: string) {
    super(`database '${database}' is marked '${marked}', not '${wanted}'`, {
      hint: `leave --environment out, or use a new database for '${wanted}': the marker of a database is set once`,
    })
  }
}

/** The database is in use and carries no marker: it could be anything, production included. */
export class EnvironmentUnknownError extends ImhotepError {
  readonly code = 'IMH_ENVIRONMENT_UNKNOWN'
  constructor(database: string) {
    super(`database '${database}' has tenants and does not say what it is for`, {
      hint: 'say it once: imhotep up --environment production (or staging, test, development)',
    })
  }
}

/** `up` was asked for a history that makes another schema than Imhotep's. */
export class SchemaNotOursError extends ImhotepError {
  readonly code = 'IMH_SCHEMA_NOT_OURS'
  constructor(migrations: string) {
    super(
      `the migrations of '${migrations}' are applied, but they do not make Imhotep's own schema, which up seeds and verifies`,
      {
        hint: 'a history of your own needs no up: imhotep migrate, status, lint, undo; a project with the schema is made by imhotep init',
      },
    )
  }
}

/** Data would have been removed without anybody having agreed to it. */
export class DestroyRefusedError extends ImhotepError {
  readonly code = 'IMH_DESTROY_REFUSED'
  constructor(directory: string) {
    super(`'${directory}' and every database in it was kept: nobody confirmed`, {
      hint: 'confirm with: imhotep down --destroy --yes',
    })
  }
}

/** A file or directory refused what the command had to do with it. */
export class FileError extends ImhotepError {
  readonly code = 'IMH_FILE'
  override readonly exitCode = 2
  constructor(message: string, hint: string, options: ErrorOptions = {}) {
    super(message, { ...options, hint })
  }
}

/** Ctrl-C. */
export class CancelledError extends ImhotepError {
  readonly code = 'IMH_CANCELLED'
  override readonly exitCode = 2
  constructor(options: ErrorOptions = {}) {
    super('stopped', { ...options, hint: 'run it again: it goes on from here' })
  }
}

/** Something that nobody foresaw; a defect of Imhotep until shown otherwise. */
export class UnexpectedError extends ImhotepError {
  readonly code = 'IMH_UNEXPECTED'
  override readonly exitCode = 2
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, { ...options, hint: 'run it again with --verbose and report what it prints' })
  }
}

/** --rules names a family of compliance rules that does not exist. */
export class UnknownFamilyError extends ImhotepError {
  readonly code = 'IMH_UNKNOWN_FAMILY'
  override readonly exitCode = 2
  constructor(name: string, known: readonly string[]) {
    super(`there is no family of rules '${name}'`, { hint: `choose of: all, ${known.join(', ')}` })
  }
}

/** `imhotep lint` was given something that it cannot read. */
export class LintInputError extends ImhotepError {
  readonly code = 'IMH_LINT_INPUT'
  override readonly exitCode = 2
  constructor(input: string, reason: string, options: ErrorOptions = {}) {
    super(`'${input}' ${reason}`, { ...options, hint: 'see: imhotep lint --help' })
  }
}

/** No rule has this name. */
export class UnknownRuleError extends ImhotepError {
  readonly code = 'IMH_UNKNOWN_RULE'
  override readonly exitCode = 2
  constructor(rule: string) {
    super(`there is no rule '${rule}'`, { hint: 'docs/reference/lint.md lists them' })
  }
}

/** `imhotep adr` was given something that it cannot write a record of. */
export class DecisionInputError extends ImhotepError {
  readonly code = 'IMH_DECISION_INPUT'
  override readonly exitCode = 2
  constructor(input: string, reason: string, hint: string) {
    super(`'${input}' ${reason}`, { hint })
  }
}

/** A migration would lose rows or columns and nobody has agreed to that. */
export class DataLossError extends ImhotepError {
  readonly code = 'IMH_DATA_LOSS'
  constructor(objects: readonly string[]) {
    super(`data would be lost: ${objects.join(', ')}`, {
      hint: 'look at every statement with: --sql or --dry-run; when it is meant, add --allow-data-loss',
    })
  }
}

/** The database was never migrated, so there is nothing to compare it with. */
export class NoHistoryError extends ImhotepError {
  readonly code = 'IMH_NO_HISTORY'
  override readonly exitCode = 2
  constructor(database: string) {
    super(`database '${database}' has no migrations applied`, {
      hint: 'migrate it, or mark it as migrated: imhotep migrate --baseline VERSION',
    })
  }
}

/** Migrations were to be taken back and nobody was there to agree. */
export class UndoNotConfirmedError extends ImhotepError {
  readonly code = 'IMH_UNDO_NOT_CONFIRMED'
  constructor(files: readonly string[]) {
    super(`nothing was taken back (${files.join(', ')}): nobody confirmed`, {
      hint: 'look at it with: imhotep undo --dry-run, and confirm with: imhotep undo --yes',
    })
  }
}
