import { KnexLoadError } from './errors.ts'
import { createKnex, type Knex, type KnexProject, type Query, type Send } from './create-knex.ts'
import { exportOf, loadModule } from './load-module.ts'

/** The program in a migration file: what runs it, and what its plan could not tell. */
export interface KnexMigration {
  /** Absolute. */
  readonly path: string
  /** The file's own text; the SQL that it sends is the `text` of the migration. */
  readonly source: string
  readonly project: KnexProject
  /** False for a file with `config = { transaction: false }`, or without one where the knexfile has `disableTransactions`. */
  readonly transaction: boolean
  readonly up: Step
  readonly down: Step | null
}

type Step = (knex: Knex) => unknown

/** @throws KnexLoadError when the file cannot be loaded or exports no `up` */
export async function loadMigration(
  path: string,
  file: string,
  source: string,
  project: KnexProject,
): Promise<KnexMigration> {
  const module = await loadModule(path)
  const [up, down] = [exportOf(module, 'up'), exportOf(module, 'down')]
  if (typeof up !== 'function') {
    throw new KnexLoadError(
      file,
      'it exports no function up',
      'export async function up(knex) { .. }, or move the file',
    )
  }
  const config = exportOf(module, 'config') as { transaction?: unknown } | undefined
  return {
    path,
    source,
    project,
    transaction: typeof config?.transaction === 'boolean' ? config.transaction : project.knexfile.transactions,
    up: up as Step,
    down: typeof down === 'function' ? (down as Step) : null,
  }
}

/**
 * Calls `up` or `down` as Knex does: with a transaction, or without where the file says so. What it asks goes to `send`;
 * the outermost BEGIN and COMMIT do not, they are the caller's.
 */
export async function callMigration(migration: KnexMigration, step: 'up' | 'down', send: Send): Promise<void> {
  let running = 0
  let rolledBack = false
  const counted: Send = async (query) => {
    if (migration.transaction && isOutermost(query)) {
      rolledBack ||= query.sql.startsWith('ROLLBACK')
      return { command: '', rowCount: 0, rows: [], fields: [] }
    }
    running++
    try {
      return await send(query)
    } finally {
      running--
    }
  }
  const knex = createKnex(migration.project, migration.path, counted)
  const transaction = migration.transaction ? await knex.transaction() : null
  await migration[step]?.(transaction ?? knex)
  // A query that nobody waits for starts behind the microtasks.
  await new Promise((resolve) => setImmediate(resolve))
  if (running > 0) throw new Error('it ended before its queries: return or await every one of them')
  if (rolledBack) throw new Error('it rolled its transaction back')
  if (transaction?.isCompleted() === false) await transaction.commit()
}

function isOutermost({ control, sql }: Query): boolean {
  return control && /^(BEGIN|COMMIT|ROLLBACK(?! TO))/.test(sql)
}
