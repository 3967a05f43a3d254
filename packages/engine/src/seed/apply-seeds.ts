import type { Transaction } from '@imhotep/postgres'
import type { Module } from '../modules/module.ts'
import type { AppliedFile } from '../migrate/apply-migrations.ts'
import { MigrationCancelledError } from '../migrate/errors.ts'
import { chainHead, nextChain, readHistoryRows, type NewHistoryRow } from '../migrate/history-table.ts'
import type { MigrationFile } from '../migrate/migration-file.ts'
import {
  withConnection,
  withMigrationSession,
  type MigrationSession,
  type SessionOptions,
} from '../migrate/migration-session.ts'
import { prepareFiles, type PreparedFile } from '../migrate/prepare-files.ts'
import { readEnvironment } from '../migrate/read-environment.ts'
import { runTransaction } from '../migrate/run-transaction.ts'
import { SeedGuardError, SeedRefusedError } from './errors.ts'
import { isGuard } from './is-guard.ts'
import { runTasks, type Task } from './run-tasks.ts'
import { seedFiles, type SeedKind } from './seed-files.ts'

export interface SeedOptions extends SessionOptions {
  /** The statement that tells the environment, default `select core.environment()`. */
  readonly environmentSql?: string | undefined
  /** Tells the environment in another way than by `environmentSql`. */
  readonly environmentOf?: ((connection: Transaction) => Promise<string | null>) | undefined
  /** The function that each demo file calls first, default `core.assert_not_production`. */
  readonly guard?: string | undefined
}

export interface SeedResult {
  readonly applied: readonly AppliedFile[]
  /** Files that were applied before and have not changed. */
  readonly already: number
  /** What the database says it is; null when it does not say. */
  readonly environment: string | null
  /** Milliseconds of the whole run. */
  readonly ms: number
}

/**
 * Applies the seeds of modules, each file in one transaction with its row in the history, on two connections where files
 * need not wait for each other. A file that has changed since runs again: seeds are written so that they can.
 * @throws SeedRefusedError for demo seeds unless the database says it is something else than production;
 * SeedGuardError for demo files that the database itself would not refuse; SeedOrderError; and what applyMigrations throws
 */
export async function applySeeds(
  url: string,
  modules: readonly Module[],
  kind: SeedKind,
  options: SeedOptions = {},
): Promise<SeedResult> {
  const started = performance.now()
  const seeds = await readSeeds(modules, kind)
  if (kind === 'demo') await requireGuards(seeds, options.guard ?? 'core.assert_not_production')

  const environment = await withConnection(url, (connection) =>
    options.environmentOf ? options.environmentOf(connection) : readEnvironment(connection, options.environmentSql),
  )
  if (kind === 'demo' && isForProduction(environment)) throw new SeedRefusedError(environment)
  const { applied, already } = await withMigrationSession(url, options, (session) => applyChanged(session, seeds))
  return { applied, already, environment, ms: Math.round(performance.now() - started) }
}

interface Seed extends Task {
  readonly prepared: PreparedFile
}

async function readSeeds(modules: readonly Module[], kind: SeedKind): Promise<Seed[]> {
  const files = seedFiles(modules, kind)
  const prepared = await prepareFiles(files.map((file) => ({ file, row: null })))
  return prepared.map((one, n) => ({
    name: one.file.version,
    after: files[n]?.after ?? [],
    size: one.file.text.length,
    prepared: one,
  }))
}

/** A database that does not say what it is counts as production. */
function isForProduction(environment: string | null): boolean {
  return environment === null || environment === 'production'
}

async function requireGuards(seeds: readonly Seed[], guard: string): Promise<void> {
  const bare: string[] = []
  for (const { prepared } of seeds) if (!(await isGuard(prepared.statements[0], guard))) bare.push(prepared.file.file)
  if (bare.length > 0) throw new SeedGuardError(bare, guard)
}

async function applyChanged(session: MigrationSession, seeds: readonly Seed[]) {
  const rows = await readHistoryRows(session.connection, session.table)
  const checksums = new Map(rows.map(({ version, checksum }) => [version, checksum]))
  const changed = seeds.filter(({ name, prepared }) => checksums.get(name)?.equals(prepared.file.checksum) !== true)
  const head = chainHead(rows)
  const applied: AppliedFile[] = []
  const applyOn = (own: MigrationSession) => async (seed: Seed) => {
    applied.push(await applySeed(own, seed, head, applied))
  }
  if (changed.length > 1) {
    await withConnection(session.url, (connection) =>
      runTasks(changed, [applyOn(session), applyOn({ ...session, connection })]),
    )
  } else await runTasks(changed, [applyOn(session)])
  return { applied, already: seeds.length - changed.length }
}

async function applySeed(
  session: MigrationSession,
  { prepared }: Seed,
  head: Buffer | null,
  applied: readonly AppliedFile[],
): Promise<AppliedFile> {
  const { file } = prepared
  stopWhenAborted(session, applied, null)
  await session.lock.check(session.connection)
  session.progress(`seeding ${file.file}`)
  const started = performance.now()
  try {
    await runTransaction(session, [{ prepared, row: rowOf(file, prepared.normalized, head) }])
  } catch (error) {
    stopWhenAborted(session, applied, file.file)
    throw error
  }
  return { version: file.version, file: file.file, ms: Math.round(performance.now() - started) }
}

function rowOf(file: MigrationFile, normalized: Buffer, head: Buffer | null): NewHistoryRow {
  const { version, name, checksum, text } = file
  return {
    version,
    name,
    kind: 'seed',
    file: file.file,
    checksum,
    normalized,
    chain: nextChain(head, checksum),
    body: text,
  }
}

function stopWhenAborted(session: MigrationSession, applied: readonly AppliedFile[], running: string | null): void {
  if (session.signal?.aborted)
    throw new MigrationCancelledError(
      applied.map(({ file }) => file),
      running,
    )
}
