import { ImhotepError } from '@imhotep/base'

/** A directory is no whole export. */
export class ManifestError extends ImhotepError {
  readonly code = 'IMH_SPLIT_EXPORT'
  constructor(directory: string, service: string, reason: string, options: ErrorOptions = {}) {
    super(`'${directory}' cannot be imported: ${reason}`, {
      ...options,
      hint: `name the directory of a whole export, or make one: imhotep split export ${service} --directory <new directory>`,
    })
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
  constructor(service: string, tables: readonly string[]) {
    super(`the database differs from the export in ${tables.join(', ')}`, {
      hint: `somebody wrote to it, or it was begun with another export. ${beginAnew(service)}`,
    })
  }
}

/** The tables of a service could not be made. */
export class ImportTablesError extends ImhotepError {
  readonly code = 'IMH_SPLIT_IMPORT_TABLES'
  constructor(service: string, cause: ImhotepError) {
    super(`the tables of ${service} cannot be made: ${cause.message}`, {
      cause,
      hint: `its database holds something else, or was made by an earlier plan. ${beginAnew(service)}`,
    })
  }
}

function beginAnew(service: string): string {
  return `If nothing in it is needed, imhotep split cancel ${service} drops it; then import again`
}
