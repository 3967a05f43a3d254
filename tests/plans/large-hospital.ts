import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { applyMigrations, applySeeds, readModules } from '@imhotep/engine'
import { connect, type Database } from '@imhotep/postgres'
import { scaleHospital } from './scale-hospital.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
/** Tables with fewer rows are read whole for a good reason. */
const large = 1_000

export interface LargeHospital {
  readonly largeTables: ReadonlySet<string>
  /** Names of indexes that hold few rows, such as those in a live state. */
  readonly partialIndexes: ReadonlySet<string>
  /** Texts of the functions, white space folded. */
  readonly bodies: string
}

/** Makes a database of 100,000 patients on the server; it logs the plans of what applications ask. */
export async function makeLargeHospital(url: string, name: string): Promise<LargeHospital> {
  const admin = connect(url)
  await admin.query(`create database ${name}`).finally(() => admin.close())
  const at = new URL(url)
  at.pathname = `/${name}`
  const modules = await readModules(join(root, 'schema'))
  await applyMigrations(at.href, { directory: join(root, 'db/migration') })
  const db = connect(at.href)
  try {
    await db.query(`select core.set_environment('dev')`)
    await applySeeds(at.href, modules, 'system')
    await applySeeds(at.href, modules, 'demo')
    await scaleHospital(db, { rows: 5_000, rowsOf: { 'patient.patients': 100_000, 'facility.clinics': 50 } })
    await forgetEnvironment(db)
    await forgetTenants(db)
    await logPlansOfApplications(db)
    return {
      largeTables: await readNames(
        db,
        `select c.oid::regclass::text as name from pg_class c where c.relkind = 'r' and c.reltuples >= ${large}`,
      ),
      partialIndexes: await readNames(
        db,
        `select c.relname as name from pg_index x join pg_class c on c.oid = x.indexrelid where x.indpred is not null
          -- most rows are neither deleted nor without a reference: such an index tells nothing
          and pg_get_expr(x.indpred, x.indrelid) !~ '^[(]*\\w+ IS (NOT )?NULL[)]*( AND [(]*\\w+ IS (NOT )?NULL[)]*)*$'`,
      ),
      bodies: await readBodies(db),
    }
  } finally {
    await db.close()
  }
}

/** Tests of operations expect a database that nobody has marked. */
async function forgetEnvironment(db: Database): Promise<void> {
  const connection = await db.dedicated()
  try {
    await connection.script(`
      set session_replication_role = replica;
      delete from core.system_settings where key = 'core.environment'`)
  } finally {
    await connection.release()
  }
}

/**
 * The statistics keep that a tenant has half of all rows, not which tenants there are: a test makes a tenant of its own,
 * and a planner that has never seen it takes it for empty, where every index is as good as any other.
 */
async function forgetTenants(db: Database): Promise<void> {
  const slots = [1, 2, 3, 4, 5].map((slot) => `stakind${slot} = 0, stanumbers${slot} = null, stavalues${slot} = null`)
  await db.query(`
    update pg_statistic s
    set stadistinct = 2, ${slots.join(', ')}
    from pg_attribute a
    where a.attrelid = s.starelid and a.attnum = s.staattnum and a.attname = 'tenant_id'`)
}

async function logPlansOfApplications(db: Database): Promise<void> {
  await db.query(`alter role imhotep_app login password 'imhotep-test'`)
  const settings = {
    session_preload_libraries: 'auto_explain',
    'auto_explain.log_min_duration': '0',
    'auto_explain.log_nested_statements': 'on',
    'auto_explain.log_verbose': 'on',
    'auto_explain.log_format': 'json',
    // a solid-state disk, as hospitals have; with the default a scan of 5,000 rows is cheaper than 100 look-ups
    random_page_cost: '1.1',
  }
  await db.query(`load 'auto_explain'`)
  for (const [name, value] of Object.entries(settings))
    await db.query(`alter role imhotep_app set ${name} = '${value}'`)
}

async function readNames(db: Database, sql: string): Promise<Set<string>> {
  const rows = await db.query<{ name: string }>(sql)
  return new Set(rows.map(({ name }) => name))
}

async function readBodies(db: Database): Promise<string> {
  const rows = await db.query<{ body: string }>(`
    select p.prosrc as body from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname !~ '^(pg_|information_schema)'`)
  return rows
    .map(({ body }) => body)
    .join('\n')
    .replaceAll(/\s+/g, ' ')
}
