import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { exportOf, loadModule } from './load-module.ts'

/** What a project's knexfile says about its SQL and its migrations; how to connect is not taken from it. */
export interface Knexfile {
  /** Passed on to Knex: they decide how names are written and rows are read. */
  readonly dialect: Readonly<Record<string, unknown>>
  /** Schema of unqualified names, the first one that new tables go to. */
  readonly searchPath: readonly string[]
  /** Table of what Knex has applied. */
  readonly tableName: string
  readonly schemaName: string
  /** False when no file has a transaction unless it asks for one. */
  readonly transactions: boolean
}

const NAMES = ['ts', 'mts', 'cts', 'js', 'mjs', 'cjs'].map((extension) => `knexfile.${extension}`)
const DIALECT = ['wrapIdentifier', 'postProcessResponse', 'userParams', 'useNullAsDefault', 'returning']

/** Reads the nearest knexfile, from the directory of the migrations up to the project's package.json. */
export async function readKnexfile(directory: string): Promise<Knexfile> {
  const path = findKnexfile(resolve(directory))
  const config = path === null ? {} : await readConfig(path)
  const migrations = (config['migrations'] ?? {}) as Record<string, unknown>
  const searchPath = [config['searchPath'] ?? []].flat().map(String)
  return {
    dialect: Object.fromEntries(DIALECT.filter((key) => key in config).map((key) => [key, config[key]])),
    searchPath,
    tableName: text(migrations['tableName']) ?? 'knex_migrations',
    schemaName: text(migrations['schemaName']) ?? searchPath[0] ?? 'public',
    transactions: migrations['disableTransactions'] !== true,
  }
}

function findKnexfile(start: string): string | null {
  for (let directory = start; ; directory = dirname(directory)) {
    const name = NAMES.find((one) => existsSync(join(directory, one)))
    if (name !== undefined) return join(directory, name)
    if (existsSync(join(directory, 'package.json')) || directory === dirname(directory)) return null
  }
}

/** The settings of NODE_ENV as Knex's command line chooses them. */
async function readConfig(path: string): Promise<Record<string, unknown>> {
  const module = await loadModule(path)
  const exported: unknown = exportOf(module, 'default') ?? module
  const config = (typeof exported === 'function' ? await exported() : exported) as Record<string, unknown>
  const environment = config[process.env['NODE_ENV'] ?? 'development']
  return (environment ?? config) as Record<string, unknown>
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
