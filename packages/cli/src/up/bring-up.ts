import {
  applyMigrations,
  applySeeds,
  AttackNotPossibleError,
  isVerified,
  parseAhead,
  readHistory,
  seedFiles,
  verifyDatabase,
  type Module,
  type VerifyReport,
} from '@imhotep/engine'
import { connect, type Database } from '@imhotep/postgres'
import { EnvironmentMismatchError, EnvironmentUnknownError, SchemaNotOursError } from '../errors.ts'
import { count } from '../output/page.ts'
import type { Project } from '../project/project.ts'
import { readSelectedModules } from '../project/selected-modules.ts'
import { applicationUrl, ensureApplicationLogin } from '../target/application-login.ts'
import { canBeMarked, hasTenants, markEnvironment, readEnvironment } from '../target/environment.ts'
import { toTarget } from '../target/open-target.ts'
import type { Target } from '../target/target.ts'
import { takeInventory, type ModuleInventory } from './inventory.ts'
import { isNewServer, openServer, type ServerOptions } from './open-server.ts'
import { StepList, type Step } from './steps.ts'

const CREDENTIALS = '.imhotep/credentials.json'

export interface BringUpOptions extends ServerOptions {
  /** The marker of a new database; default from the project's configuration, else `development`. */
  readonly environment: string | undefined
  /** Leaves the demo rows out. */
  readonly noDemo: boolean
  readonly signal: AbortSignal
  readonly announce: (target: Target) => void
}

export interface BringUpResult {
  readonly target: Target
  readonly steps: readonly Step[]
  readonly modules: readonly ModuleInventory[]
  readonly verify: VerifyReport
  /** For applications, without the password. */
  readonly connection: string
  /** File with the password of `connection`, relative to the project; null when the password was set elsewhere. */
  readonly credentials: string | null
  /** Milliseconds of the whole run. */
  readonly ms: number
}

/**
 * From nothing to a database that runs, is seeded and checked. Each step looks first whether it is done already, so it
 * may be killed anywhere and called again.
 * @throws EnvironmentMismatchError, EnvironmentUnknownError, and what the steps throw
 */
export async function bringUp(project: Project, options: BringUpOptions): Promise<BringUpResult> {
  const started = performance.now()
  const steps = new StepList(options.signal, options.progress)
  const isNew = await isNewServer(project, options)
  const url = await openServer(project, options, steps, () => void parseMigrations(project))
  const db = connect(url, { applicationName: 'imhotep', max: 4 })
  try {
    const marked = await readEnvironment(db)
    const environment = await chooseEnvironment(db, url, marked, project, options)
    const target = toTarget(url, environment)
    options.announce(target)

    const reading = readModules(project, isNew)
    reading.catch(() => undefined) // told below, unless the migrations fail
    await migrate(url, project, options, steps)
    if (!(await canBeMarked(db))) throw new SchemaNotOursError(project.migrations)
    const modules = await reading
    await steps.run(
      'environment',
      () => (marked === null ? markEnvironment(db, environment) : Promise.resolve()),
      () => ({ state: marked === null ? 'new' : 'already there', detail: environment }),
    )
    await seed(url, project, modules, 'system', options, steps)
    if (environment !== 'development') steps.leaveOut('demo seed', `not for a ${environment} database`)
    else if (options.noDemo) steps.leaveOut('demo seed', 'not wanted')
    else await seed(url, project, modules, 'demo', options, steps)
    const credentials = await openLogin(db, url, project, environment, options, steps)
    const verify = await check(db, environment, options, steps)

    const inventory = await takeInventory(db, modules)
    const ms = Math.round(performance.now() - started)
    return { target, steps: steps.steps, modules: inventory, verify, connection: applicationUrl(url), credentials, ms }
  } finally {
    await db.close()
  }
}

/** What is wrong with them is told by the step that applies them. */
async function parseMigrations(project: Project): Promise<void> {
  await readHistory(project.migrations)
    .then((files) => parseAhead(files))
    .catch(() => undefined)
}

/** Reads the modules, and for a new database parses what will be seeded: the server that migrates keeps us waiting. */
async function readModules(project: Project, isNew: boolean): Promise<readonly Module[]> {
  const modules = await readSelectedModules(project)
  if (isNew) await parseAhead(seedFiles(modules, 'demo')).catch(() => undefined)
  return modules
}

/** What the database says it is; for a new one what was asked for. */
async function chooseEnvironment(
  db: Database,
  url: string,
  marked: string | null,
  project: Project,
  { environment: asked }: BringUpOptions,
): Promise<string> {
  const { database } = toTarget(url, null)
  if (marked !== null) {
    if (asked === undefined || asked === marked) return marked
    throw new EnvironmentMismatchError(database, marked, asked)
  }
  if (asked !== undefined) return asked
  if (await hasTenants(db)) throw new EnvironmentUnknownError(database)
  return project.config.environment ?? 'development'
}

async function migrate(url: string, project: Project, options: BringUpOptions, steps: StepList): Promise<void> {
  const { signal, progress: onProgress } = options
  await steps.run(
    'migrations',
    () =>
      applyMigrations(url, {
        ...project.history,
        signal,
        onProgress,
      }),
    ({ applied, already }) => ({
      state: applied.length > 0 ? 'new' : 'already there',
      detail: `${applied.length} applied, ${already} already there`,
    }),
  )
}

async function seed(
  url: string,
  project: Project,
  modules: readonly Module[],
  kind: 'system' | 'demo',
  { signal, progress: onProgress }: BringUpOptions,
  steps: StepList,
): Promise<void> {
  await steps.run(
    `${kind} seed`,
    () => applySeeds(url, modules, kind, { historyTable: project.config.historyTable, signal, onProgress }),
    ({ applied, already }) => ({
      state: applied.length > 0 ? 'new' : 'already there',
      detail: `${applied.length} applied, ${already} already there`,
    }),
  )
}

async function openLogin(
  db: Database,
  url: string,
  project: Project,
  environment: string,
  options: BringUpOptions,
  steps: StepList,
): Promise<string | null> {
  if (environment === 'production') {
    steps.leaveOut('login', "on production the password of 'imhotep_app' is yours to set")
    return null
  }
  const result = await steps.run(
    'login',
    () => ensureApplicationLogin(db, url, { state: project.state, replace: options.url === undefined }),
    (state) =>
      state === 'kept'
        ? { state: 'already there', detail: 'imhotep_app, with a password that was set elsewhere' }
        : { state, detail: `imhotep_app, password in ${CREDENTIALS}` },
  )
  return result === 'kept' ? null : CREDENTIALS
}

async function check(
  db: Database,
  environment: string,
  { signal, progress: onProgress }: BringUpOptions,
  steps: StepList,
): Promise<VerifyReport> {
  return steps.run(
    'verify',
    async () => {
      // On production nothing is attacked unasked: an attempt holds locks until it is rolled back.
      if (environment === 'production') return verifyDatabase(db, { onProgress })
      try {
        // tables and views; imhotep verify --attack calls the functions as well
        return await verifyDatabase(db, { attack: { mode: 'quick', functions: false }, signal, onProgress })
      } catch (error) {
        // Without demo rows there may be no two tenants yet whose isolation could be tried.
        if (!(error instanceof AttackNotPossibleError)) throw error
        return verifyDatabase(db, { onProgress })
      }
    },
    (report) => ({ state: isVerified(report) ? 'ok' : 'failed', detail: reportText(report) }),
  )
}

function reportText({ checks, findings, attack }: VerifyReport): string {
  const tried = attack === null ? 'not attacked' : `${attack.attempts} attempts, ${attack.through.length} through`
  return `${checks} checks, ${count(findings.length, 'finding')}, ${tried}`
}
