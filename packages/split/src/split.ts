import { mkdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { applyMigrations } from '@imhotep/engine'
import { connect, withDatabase, type Database } from '@imhotep/postgres'
import { readEnvFile, writeEnvFile } from './configure/env-file.ts'
import { envFile, envRoutes } from './configure/env-routes.ts'
import { writeSchemaFiles } from './configure/schema-files.ts'
import { EnvFileMissingError, NotPlannedError, UnknownServiceError } from './errors.ts'
import { Ledger } from './ledger/ledger.ts'
import { serves } from './ledger/states.ts'
import { checkOwnerMap } from './map/check-owner-map.ts'
import type { CheckedOwnerMap, MovedEntry } from './map/owner-map.ts'
import { readOwnerMap } from './map/read-owner-map.ts'
import { tableId, type TableName } from './model.ts'
import type { Obstacle, OwnedForeignKey, SharedCatalog } from './side.ts'
import { openShared, type SharedSide } from './open-shared.ts'
import { looseKeyWatch } from './operations/loose-key-watch.ts'
import { continuePlan } from './plan/continue-plan.ts'
import { planSplit } from './plan/plan-split.ts'
import type { ServiceMigrations, ServicePlan, SplitPlan } from './plan/split-plan.ts'
import { keepEvidence } from './modules/keep-evidence.ts'
import { planModuleSplit } from './modules/plan-module-split.ts'
import { Projections } from './modules/projections.ts'
import { returnCommon } from './modules/return-common.ts'
import { joinServiceRoles } from './modules/service-roles.ts'
import { derivePostgresSchema } from './postgres/derive.ts'
import { openServiceDatabase } from './postgres/open-postgres-side.ts'
import {
  deprovisionServiceDatabase,
  freeDiskBytes,
  grantServiceRoles,
  provisionServiceDatabase,
} from './postgres/provision.ts'
import { withSession } from './postgres/session.ts'
import {
  defaultOptions,
  forwardLog,
  reverseLog,
  type Move,
  type MoveOptions,
  type ServiceSchema,
} from './protocol/move.ts'
import { restoreFreeKeys } from './protocol/way-back.ts'

export interface SplitSettings {
  /** The shared database: mysql://, mariadb:// or postgres://, of a role that may read its log. */
  readonly sourceUrl: string
  /** Superuser of the PostgreSQL server that services get their databases on. */
  readonly targetUrl: string
  /** Where each service's migrations are written. */
  readonly schemaDirectory: string
  /** Where each service's environment file is written. */
  readonly envDirectory: string
  readonly options?: Partial<MoveOptions>
  readonly signal: AbortSignal
  readonly say: (text: string) => void
}

export interface MapHere extends CheckedOwnerMap {
  readonly text: string
  readonly catalog: SharedCatalog
  readonly retired: readonly ServicePlan[]
}

type Migrate = (to: string) => Promise<void>

/** The database of the target server that holds the states of all moves. */
export const ledgerDatabase = 'imhotep_split'

/** A split from its plan to the last retired table: opens what a move needs and knows where its parts are. */
export class Split {
  readonly source: SharedSide
  readonly ledger: Ledger
  readonly #settings: SplitSettings
  readonly #pools = new Map<string, Database>()
  readonly #open: { close(): Promise<void> }[] = []

  private constructor(settings: SplitSettings, source: SharedSide, ledger: Ledger) {
    this.#settings = settings
    this.source = source
    this.ledger = ledger
  }

  /** @throws UsageError for a URL that is of no known database */
  static async open(settings: SplitSettings): Promise<Split> {
    const source = await openShared(settings.sourceUrl)
    try {
      await ensureDatabase(settings.targetUrl, ledgerDatabase)
      return new Split(
        settings,
        source,
        await Ledger.open(withDatabase(settings.targetUrl, ledgerDatabase), source.side.label),
      )
    } catch (error) {
      await source.close()
      throw error
    }
  }

  /** Reads an owner map and holds it against the shared database, whose catalog comes along, and what is retired. */
  async checkMap(file: string): Promise<MapHere> {
    const text = await readFile(file, 'utf8')
    const map = readOwnerMap(text, file)
    const catalog = await this.source.side.catalog()
    const retired = await this.#retired()
    return { ...checkOwnerMap(map, catalog, { source: this.source.database, retired }), text, catalog, retired }
  }

  /**
   * Decides what moves, as what, and remembers it. Refused while services are on their way; those that are retired stay as
   * they are, and the rest is planned anew.
   */
  async makePlan(mapFile: string): Promise<SplitPlan> {
    const { text, catalog, retired, ...map } = await this.checkMap(mapFile)
    const next = await planSplit(map, catalog, this.source.dialect(catalog, this.#settings.say), {
      source: this.source.side.label,
      mapText: text,
    })
    const plan = retired.length === 0 ? next : await this.#continued(next, map.moved, retired)
    await this.#restoreKeys()
    const kept = retired.map(({ name }) => name)
    await this.ledger.savePlan(plan, kept)
    for (const { name, schema } of plan.services) {
      if (schema && !kept.includes(name)) writeSchemaFiles(this.migrationsOf(name), schema)
    }
    return plan
  }

  /**
   * The same for a database of our own modules: its services and their databases are those of `bundle --topology services`.
   * @param modules their folder
   */
  async makeModulePlan(modules: string): Promise<SplitPlan> {
    const { side, database } = this.source
    const plan = await planModuleSplit(await side.catalog(), {
      source: side.label,
      database,
      modules,
      scripts: this.#settings.schemaDirectory,
    })
    await this.#restoreKeys()
    await this.ledger.savePlan(plan)
    return plan
  }

  /** What services keep of each other's rows. */
  async projections(): Promise<Projections> {
    const { services } = await this.plan()
    return new Projections({
      services,
      sharedUrl: this.#settings.sourceUrl,
      urlOf: (database) => this.adminUrl(database),
      poolOf: (url) => this.#poolOf(url),
      states: async () => new Map((await this.ledger.all()).map(({ service, state }) => [service, state])),
    })
  }

  /** @throws NotPlannedError */
  async plan(): Promise<SplitPlan> {
    const plan = await this.ledger.plan()
    if (!plan) throw new NotPlannedError(this.source.side.label, await this.ledger.sources())
    return plan
  }

  /** @throws NotPlannedError, UnknownServiceError */
  async servicePlan(name: string): Promise<ServicePlan> {
    return serviceIn(await this.plan(), name)
  }

  /** Opens everything that the move of a service needs; `close` closes it. */
  async moveOf(name: string): Promise<Move> {
    const plan = await this.plan()
    const service = serviceIn(plan, name)
    const { envDirectory, options, signal, say } = this.#settings
    const adminUrl = this.adminUrl(service.database)
    await this.#provision(service)
    const target = await openServiceDatabase(adminUrl, { origin: plan.kind, foreignKeys: service.innerKeys })
    this.#open.push(target)
    return {
      service: name,
      source: this.source.side,
      target,
      tables: service.tables,
      reference: service.reference,
      common: service.common,
      returnCommon: (seconds) => returnCommon(adminUrl, this.#settings.sourceUrl, service.common, seconds),
      crossingKeys: service.crossingKeys,
      innerKeys: service.innerKeys.map((key) => bySharedNames(key, service)),
      ownerOf: ownerIn(plan),
      ledger: this.ledger,
      routes: envRoutes(envDirectory, () => ({ own: this.#applicationUrl(name), shared: this.#settings.sourceUrl })),
      roomObstacles: () => this.#roomObstacles(service),
      schema: this.#schemaOf(service, adminUrl),
      looseKeys: looseKeyWatch(this, service, plan, signal),
      options: { ...defaultOptions, ...options },
      signal,
      say,
    }
  }

  /** The directory of a service's migrations. */
  migrationsOf(service: string): string {
    return join(this.#settings.schemaDirectory, service)
  }

  /** The environment file of a service: it holds a password. */
  envFileOf(service: string): string {
    return envFile(this.#settings.envDirectory, service)
  }

  /** Superuser's connection string to the database of a service: holds a password. */
  adminUrl(database: string): string {
    return withDatabase(this.#settings.targetUrl, database)
  }

  /** A pool of few connections to it, closed with the split. */
  databaseOf(database: string): Database {
    return this.#poolOf(this.adminUrl(database))
  }

  #poolOf(url: string): Database {
    const known = this.#pools.get(url)
    if (known) return known
    const db = connect(url, { max: 2, applicationName: 'imhotep split' })
    this.#pools.set(url, db)
    this.#open.push(db)
    return db
  }

  /** Renames the static tables of all services when the last service is retired. */
  async setReferenceAside(): Promise<void> {
    const { services } = await this.plan()
    const retired = await this.#retired()
    if (retired.length === services.length) await this.source.side.setAside(services.at(-1)?.reference ?? [])
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.map((one) => one.close()))
    await Promise.all([this.source.close(), this.ledger.close()])
  }

  /** What a cancel could not put back would be forgotten with the plan. */
  async #restoreKeys(): Promise<void> {
    const plan = await this.ledger.plan()
    if (plan) await restoreFreeKeys({ ledger: this.ledger, source: this.source.side, ownerOf: ownerIn(plan) })
  }

  /** Services whose move is over. */
  async #retired(): Promise<ServicePlan[]> {
    const plan = await this.ledger.plan()
    const entries = await this.ledger.all()
    const isOver = (name: string) => entries.some(({ service, state }) => service === name && state === 'retired')
    return plan?.services.filter(({ name }) => isOver(name)) ?? []
  }

  async #continued(next: SplitPlan, moved: readonly MovedEntry[], retired: readonly ServicePlan[]): Promise<SplitPlan> {
    return continuePlan(next, moved, {
      plan: await this.plan(),
      retired,
      copiesOf: async ({ database }, tables, madeBefore) =>
        (await derivePostgresSchema(this.adminUrl(database), [], tables, madeBefore)).copies,
    })
  }

  /** What the service logs in with: remembered by its environment file alone. */
  #applicationUrl(name: string): string {
    return readEnvFile(envFile(this.#settings.envDirectory, name))['SERVICE_DATABASE_URL'] ?? ''
  }

  /** Makes the empty database and its roles, or what is missing of them; a password that is lost is renewed while nobody uses it. */
  async #provision({ name, database }: ServicePlan): Promise<void> {
    const { targetUrl, envDirectory } = this.#settings
    mkdirSync(envDirectory, { recursive: true })
    const known = this.#applicationUrl(name)
    const entry = (await this.ledger.all()).find(({ service }) => service === name)
    const isInUse = serves(entry?.state) === 'own'
    if (known === '' && isInUse) throw new EnvFileMissingError(name, envFile(envDirectory, name))
    const { application } = await provisionServiceDatabase(targetUrl, {
      database,
      renewPasswords: known === '',
      closeTo: [ledgerDatabase],
    })
    writeEnvFile(envFile(envDirectory, name), { SERVICE_DATABASE_URL: application.url?.reveal() ?? known })
  }

  async #roomObstacles({ name, bytes }: ServicePlan): Promise<Obstacle[]> {
    const free = await freeDiskBytes(this.#settings.targetUrl)
    const needed = bytes * 2
    if (free === null || free >= needed) return []
    return [
      {
        code: 'IMH_SPLIT_DISK',
        message: `${name} needs about ${megabytes(needed)} MB on the server that it moves to, ${megabytes(free)} MB are free`,
        hint: 'make room, or move to another server',
      },
    ]
  }

  #schemaOf(service: ServicePlan, adminUrl: string): ServiceSchema {
    const migrate = async (to: string) => {
      await applyMigrations(adminUrl, { directory: this.migrationsOf(service.name), to })
    }
    const drop = () =>
      deprovisionServiceDatabase(this.#settings.targetUrl, service.database, [
        forwardLog(service.name),
        reverseLog(service.name),
      ])
    const dropUnlessEvidence = async () => {
      const kept = await keepEvidence(this.#settings.targetUrl, service.database)
      if (kept !== null) this.#settings.say(`${service.name}: its audit log stays in ${kept}`)
      await drop()
    }
    const prepare = () => this.#provision(service)
    const { schema } = service
    const own =
      schema === null
        ? { ...this.#moduleSchemaOf(service, adminUrl, migrate), drop: dropUnlessEvidence }
        : { ...this.#derivedSchemaOf(service, schema, adminUrl, migrate), drop }
    const createKeys = async () => {
      await own.createKeys()
      // Rows are compared in half the time, and clients that come with the switch are planned for before autovacuum gets there.
      await withSession(adminUrl, (session) => session.script('analyze'))
    }
    return { ...own, createKeys, prepare }
  }

  #derivedSchemaOf(service: ServicePlan, schema: ServiceMigrations, adminUrl: string, migrate: Migrate) {
    return {
      createTables: async () => {
        writeSchemaFiles(this.migrationsOf(service.name), schema)
        await migrate('001')
      },
      createKeys: () => migrate(schema.copies === null ? '002' : '003'),
      grant: () => grantServiceRoles(adminUrl),
    }
  }

  /** Its script makes everything at once; rows are loaded as a replica's, past triggers and keys. */
  #moduleSchemaOf(service: ServicePlan, adminUrl: string, migrate: Migrate) {
    return {
      createTables: () => migrate('001'),
      createKeys: async () => {
        const projections = await this.projections()
        await projections.fill(service)
      },
      grant: async () => {
        await joinServiceRoles(adminUrl, service.name)
        const projections = await this.projections()
        await projections.watchOwn(service)
        // The last time before clients come; from then on events and `follow` tell of others' rows.
        await projections.tell()
      },
    }
  }
}

function serviceIn({ services }: SplitPlan, name: string): ServicePlan {
  const service = services.find((one) => one.name === name)
  if (service) return service
  throw new UnknownServiceError(
    name,
    services.map((one) => one.name),
  )
}

function bySharedNames(key: OwnedForeignKey, { tables, reference }: ServicePlan): OwnedForeignKey {
  const sharedName = (own: TableName) =>
    [...tables, ...reference].find(({ target }) => tableId(target) === tableId(own))?.source ?? own
  return {
    ...key,
    table: sharedName(key.table),
    references: { ...sharedName(key.references), columns: key.references.columns },
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1_048_576).toFixed(0)
}

function ownerIn(plan: SplitPlan): (table: TableName) => string | undefined {
  const owners = new Map(
    plan.services.flatMap(({ name, tables }) => tables.map(({ source }) => [tableId(source), name])),
  )
  return (table) => owners.get(tableId(table))
}

async function ensureDatabase(url: string, name: string): Promise<void> {
  const db = connect(url, { max: 1, applicationName: 'imhotep split' })
  try {
    const existing = await db.query('select from pg_database where datname = $1', [name])
    if (existing.length === 0) {
      await db.query(`create database ${name} template template0`).catch((error: { sqlstate?: string }) => {
        // another process was faster
        if (error.sqlstate !== '42P04' && error.sqlstate !== '23505') throw error
      })
    }
  } finally {
    await db.close()
  }
}
