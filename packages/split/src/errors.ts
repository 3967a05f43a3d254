import { ImhotepError, UsageError } from '@imhotep/base'
import { tableId, type TableName } from './model.ts'
import type { TypeFinding } from './types/map-tables.ts'

/** The plan knows no such service. */
export class UnknownServiceError extends UsageError {
  constructor(service: string, known: readonly string[]) {
    super(`there is no service '${service}' in the plan`, { hint: `it knows ${known.join(', ')}` })
  }
}

/** Nothing was decided for this database yet. */
export class NotPlannedError extends ImhotepError {
  readonly code = 'IMH_SPLIT_NOT_PLANNED'
  constructor(source: string, planned: readonly string[] = []) {
    const others =
      planned.length > 0 ? `; or name the database as it was planned (--source): ${planned.join(', ')}` : ''
    super(`there is no plan for ${source}`, {
      hint: `make one from an owner map: imhotep split plan --map owners.yaml${others}`,
    })
  }
}

/** The environment file of a service that is in use is not where it is looked for: a new password would shut the service out. */
export class EnvFileMissingError extends ImhotepError {
  readonly code = 'IMH_SPLIT_ENV_FILE'
  override readonly exitCode = 2
  constructor(service: string, file: string) {
    super(`${service} is in use, and its environment file is not here: ${file}`, {
      hint: 'run it where the file is, or name its directory (--env); when it is lost, write SERVICE_DATABASE_URL into it yourself',
    })
  }
}

/** A foreign key cannot be put back because rows that it points to are gone. */
export class OrphanRowsError extends ImhotepError {
  readonly code = 'IMH_SPLIT_ORPHANS'
  constructor(table: TableName, key: string, rows: number) {
    super(`${tableId(table)}: ${rows} rows point to nothing by the foreign key ${key}`, {
      hint: 'delete or correct these rows, then run it again',
    })
  }
}

/** Rows or columns hold what PostgreSQL does not, and the owner map does not say what becomes of it. */
export class LossyTypesError extends ImhotepError {
  readonly code = 'IMH_SPLIT_LOSSY'
  readonly findings: readonly string[]
  constructor(stops: readonly TypeFinding[]) {
    const findings = stops.map(
      ({ table, column, kind, rows }) =>
        `${table.name}.${column}: ${kind}${rows === null ? '' : ` in ${rows} ${rows === 1 ? 'row' : 'rows'}`}`,
    )
    const ways = Object.entries(waysOut).filter(([kind]) => stops.some((stop) => stop.kind === kind))
    super(`what PostgreSQL cannot hold: ${findings.join('; ')}`, { hint: ways.map(([, way]) => way).join('\n') })
    this.findings = findings
  }
}

const waysOut: Partial<Record<TypeFinding['kind'], string>> = {
  'zero-date':
    'zero-date: repair the rows, or decide in the owner map what becomes of them: ' +
    `<table>: { owner: <service>, zeroDate: null } (or { sentinel: '1900-01-01' })`,
  'nul-character': 'nul-character: take it out of these texts, or turn the column into one of bytes (blob, varbinary)',
  'unsupported-type':
    'unsupported-type: turn the column into one of another type first (ST_AsBinary into a blob, for example)',
}

/** Columns that the owner map declares as a key do not tell the rows of their table apart. */
export class AmbiguousKeyError extends ImhotepError {
  readonly code = 'IMH_SPLIT_AMBIGUOUS_KEY'
  constructor(tables: readonly string[]) {
    super(`declared keys that several rows share: ${tables.join('; ')}`, {
      hint: 'delete the repeated rows, name more columns in the owner map, or add a primary key to the table',
    })
  }
}

/** Services get their databases from scripts that are not there. */
export class ServiceScriptMissingError extends ImhotepError {
  readonly code = 'IMH_SPLIT_SERVICE_SCRIPT'
  constructor(files: readonly string[]) {
    super(`there is no ${files.join(', ')}`, {
      hint: 'write the scripts of all services: imhotep bundle --topology services',
    })
  }
}

/** The shared database is not what the modules make, or an older one. */
export class NotTheModulesError extends ImhotepError {
  readonly code = 'IMH_SPLIT_NOT_MODULES'
  constructor(missing: readonly string[]) {
    super(`the shared database does not have ${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ' ...' : ''}`, {
      hint: 'bring it up to date with imhotep migrate; any other database is split by an owner map (--map)',
    })
  }
}

/** The server has too few workers to keep all read-only copies up to date. */
export class CopyWorkersError extends ImhotepError {
  readonly code = 'IMH_SPLIT_COPY_WORKERS'
  constructor(copies: number, needed: number) {
    super(`${copies} read-only copies need ${needed} replication workers, the server allows fewer`, {
      hint:
        `set max_logical_replication_workers to ${needed} and max_worker_processes to ${needed + 8} or more, ` +
        'restart the server and run it again: services that are switched stay so',
    })
  }
}

/** The relay would not see all rows, or could not write them. */
export class RelayRoleError extends ImhotepError {
  readonly code = 'IMH_RELAY_ROLE'
  constructor(service: string, role: string) {
    super(`'${role}' is not a superuser of the database of ${service}`, {
      hint: 'name a superuser in its connection string: policies hide the rows of tenants from other roles',
    })
  }
}
