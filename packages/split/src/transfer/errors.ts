import { ImhotepError } from '@imhotep/base'

/** A directory is no whole export. */
export class ManifestError extends ImhotepError {
  readonly code = 'IMH_SPLIT_EXPORT'
  constructor(directory: string, reason: string, options: ErrorOptions = {}) {
    super(`'${directory}' cannot be imported: ${reason}`, { ...options, hint: 'export again: imhotep split export' })
  }
}

/** The directory of an export holds something already. */
export class ExportExistsError extends ImhotepError {
  readonly code = 'IMH_SPLIT_EXPORT_EXISTS'
  constructor(directory: string) {
    super(`'${directory}' is not empty`, { hint: 'name another directory, or remove what is in it' })
  }
}

/** The database does not hold what the export does. */
export class ImportNotEqualError extends ImhotepError {
  readonly code = 'IMH_SPLIT_IMPORT_NOT_EQUAL'
  constructor(tables: readonly string[]) {
    super(`the database differs from the export in ${tables.join(', ')}`, {
      hint: 'somebody wrote to it, or it was not empty: drop the tables and import again',
    })
  }
}
