import type { Transaction } from '@imhotep/postgres'
import { AppliedByOtherToolError } from './errors.ts'
import {
  canonicalVersion,
  compareVersions,
  isVersion,
  parseMigrationName,
  type MigrationFile,
} from './migration-file.ts'
import { quoteName } from './sql-literal.ts'

interface OtherTool {
  readonly name: string
  readonly table: string
  /** Columns by which its table is told from others of that name. */
  readonly columns: readonly string[]
  /** It has no others. */
  readonly noOtherColumns?: boolean
  /** Selects as `version` the versions, or names of files, that are applied, and maybe `unfinished`; `%s` is the table. */
  readonly applied: string
  /** Its table has the newest version alone: what is older is applied as well. */
  readonly upToNewest?: boolean
}

interface Recorded {
  readonly version: string
  /** It failed in the middle. */
  readonly unfinished?: boolean
}

/** Their tables as they make them by default. Knex is read by `knex/`, and taken over without being asked. */
const otherTools: readonly OtherTool[] = [
  {
    name: 'Flyway',
    table: 'flyway_schema_history',
    columns: ['installed_rank', 'version', 'success'],
    applied: 'select version from %s where success and version is not null',
  },
  {
    name: 'goose',
    table: 'goose_db_version',
    columns: ['id', 'version_id', 'is_applied'],
    applied: `select version_id::text as version from (select distinct on (version_id) version_id, is_applied from %s order by version_id, id desc) latest
               where is_applied and version_id > 0`,
  },
  {
    name: 'golang-migrate',
    table: 'schema_migrations',
    columns: ['version', 'dirty'],
    applied: 'select version::text as version, dirty as unfinished from %s',
    upToNewest: true,
  },
  {
    name: 'dbmate',
    table: 'schema_migrations',
    columns: ['version'],
    noOtherColumns: true,
    applied: 'select version::text as version from %s',
  },
  {
    name: 'sqlx',
    table: '_sqlx_migrations',
    columns: ['version', 'success'],
    applied: 'select version::text as version from %s where success',
  },
  {
    name: 'Prisma',
    table: '_prisma_migrations',
    columns: ['migration_name', 'finished_at', 'rolled_back_at'],
    applied: 'select migration_name as version from %s where finished_at is not null and rolled_back_at is null',
  },
  {
    name: 'Diesel',
    table: '__diesel_schema_migrations',
    columns: ['version'],
    applied: 'select version::text as version from %s',
  },
  {
    name: 'sql-migrate',
    table: 'gorp_migrations',
    columns: ['id', 'applied_at'],
    applied: 'select id as version from %s',
  },
  {
    name: 'node-pg-migrate',
    table: 'pgmigrations',
    columns: ['name', 'run_on'],
    applied: 'select name as version from %s',
  },
  {
    name: 'refinery',
    table: 'refinery_schema_history',
    columns: ['version', 'checksum'],
    applied: 'select version::text as version from %s',
  },
]

/** What Knex makes unless its configuration names another table. */
export const KNEX_TABLES: readonly string[] = ['knex_migrations', 'knex_migrations_lock']

/** Whether a tool makes a table of this name itself, to keep what is applied. */
export function isTableOfTool(name: string): boolean {
  return [...KNEX_TABLES, ...otherTools.map(({ table }) => table)].includes(name)
}

/**
 * Stops before files are run again that another tool has applied to this database; what it applied of other files, as those of
 * another program in the same database, is no reason.
 * @throws AppliedByOtherToolError
 */
export async function refuseAppliedByOthers(db: Transaction, files: readonly MigrationFile[]): Promise<void> {
  const versioned = files.filter(({ kind }) => kind === 'versioned')
  for (const tool of otherTools) {
    const table = await tableOf(db, tool)
    if (table === null) continue
    const rows = await db.query<Recorded>(tool.applied.replace('%s', table))
    const records = new Map(rows.map((row) => [versionOf(row.version), row]))
    const recordOf = ({ version }: MigrationFile) => records.get(canonicalVersion(version))
    const recorded = versioned.filter((file) => recordOf(file) !== undefined)
    const newest = recorded.toSorted((a, b) => compareVersions(a.version, b.version)).at(-1)
    if (!newest) continue
    const isMissing = (file: MigrationFile) => {
      const record = recordOf(file)
      return record ? record.unfinished === true : tool.upToNewest !== true
    }
    const missing = versioned.filter((file) => compareVersions(file.version, newest.version) <= 0 && isMissing(file))
    throw new AppliedByOtherToolError({
      tool: tool.name,
      table,
      newest: newest.version,
      missing: missing.map(({ file }) => file),
    })
  }
}

/** On the search path, with the columns that the tool gives it. */
async function tableOf(db: Transaction, { table, columns, noOtherColumns }: OtherTool): Promise<string | null> {
  const found = await db.query<{ schema: string; name: string; column: string }>(
    `select n.nspname as schema, c.relname as name, a.attname as column
       from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
      where c.oid = to_regclass($1) and a.attnum > 0 and not a.attisdropped`,
    [quoteName(table)],
  )
  const [first] = found
  const there = new Set(found.map(({ column }) => column))
  if (!first || !columns.every((column) => there.has(column))) return null
  if (noOtherColumns && there.size > columns.length) return null
  return `${quoteName(first.schema)}.${quoteName(first.name)}`
}

/** In its one spelling. A tool keeps the version, or the file's or folder's name with or without its ending. */
function versionOf(kept: string): string | null {
  if (isVersion(kept)) return canonicalVersion(kept)
  const parsed = parseMigrationName(kept) ?? parseMigrationName(`${kept}.sql`)
  return parsed && canonicalVersion(parsed.version)
}
