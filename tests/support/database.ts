import { createHash, randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect, type Connection, type Database } from '@imhotep/postgres'
import { atEnd } from './at-end.ts'
import { testServer } from './server.ts'

export { testServer } from './server.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
/** Any number, the same in all processes: it guards the making of templates on one server. */
const templateLock = 7_240_311
/** What tests log in with as imhotep_app; the server listens on the loopback only. */
const appPassword = 'imhotep-test'

export interface TestDatabase extends AsyncDisposable {
  /** Superuser. */
  readonly url: string
  /** Role imhotep_app, what applications log in as. */
  readonly appUrl: string
  /** Major version of PostgreSQL. */
  readonly serverVersion: number
  drop(): Promise<void>
}

/** A fresh database with nothing in it, made in about 20 ms. */
export function emptyDatabase(name?: string): Promise<TestDatabase> {
  return createDatabase('template1', name)
}

/** A database with V001, all increments and the system seed: a clone of a template that is made once per server. */
export async function hospitalDatabase(): Promise<TestDatabase> {
  // a test that runs other tests on a hospital of its own names it here: they share it, each with a tenant of its own
  const shared = process.env['IMHOTEP_TEST_DATABASE']
  if (shared) return openDatabase(shared, async () => {})
  return createDatabase(await hospitalTemplate())
}

/** A hospital database, marked as development, with the demo seed. */
export async function demoDatabase(): Promise<TestDatabase> {
  return createDatabase(await demoTemplate())
}

/** A clone of a database that nobody is connected to. */
export function cloneOf({ url }: TestDatabase): Promise<TestDatabase> {
  return createDatabase(new URL(url).pathname.slice(1))
}

async function createDatabase(template: string, name?: string): Promise<TestDatabase> {
  const chosen = `${name ?? 'test'}_${randomBytes(5).toString('hex')}`
  const { db } = await openServer()
  await db.query(`create database ${chosen} template ${template} strategy file_copy`)
  return openDatabase(chosen, async () => {
    await db.query(`drop database if exists ${chosen} with (force)`)
  })
}

async function openDatabase(name: string, drop: () => Promise<void>): Promise<TestDatabase> {
  const { serverVersion } = await openServer()
  const url = await urlOf(name)
  const appUrl = new URL(url)
  appUrl.username = 'imhotep_app'
  appUrl.password = appPassword

  return { url, appUrl: appUrl.href, serverVersion, drop, [Symbol.asyncDispose]: drop }
}

let server: Promise<{ readonly db: Database; readonly serverVersion: number }> | undefined

/** What makes and drops databases: a connection for each statement would take longer than most of them. */
function openServer(): NonNullable<typeof server> {
  server ??= testServer().then(async (url) => {
    const db = connect(url, { applicationName: 'imhotep-tests' })
    atEnd(() => db.close())
    const [row] = await db.query<{ version: number }>(`select current_setting('server_version_num')::int as version`)
    return { db, serverVersion: Math.floor((row?.version ?? 0) / 10_000) }
  })
  return server
}

let hospital: Promise<string> | undefined

function hospitalTemplate(): Promise<string> {
  hospital ??= makeTemplate('template1', ['db/migration', 'schema'], async (url) => {
    const { applyMigrations, applySeeds, readModules } = await engine()
    await applyMigrations(url, { directory: join(root, 'db/migration') })
    await applySeeds(url, await readModules(join(root, 'schema')), 'system')
    await withConnection(url, (connection) =>
      connection.query(`alter role imhotep_app login password '${appPassword}'`),
    )
  })
  return hospital
}

/** Loaded when a template is made: tests of an empty database need no SQL parser. */
function engine() {
  return import('@imhotep/engine')
}

let demo: Promise<string> | undefined

function demoTemplate(): Promise<string> {
  demo ??= hospitalTemplate().then((template) =>
    makeTemplate(template, ['db/migration', 'schema'], async (url) => {
      const { applySeeds, readModules } = await engine()
      await withConnection(url, (connection) => connection.query(`select core.set_environment('dev')`))
      await applySeeds(url, await readModules(join(root, 'schema')), 'demo')
    }),
  )
  return demo
}

/**
 * The name of a template database that holds what `fill` makes of a copy of `parent`. Its name is a hash of the files it
 * was made from, so that a changed file makes a new one; the lock lets one process make it while others wait.
 */
async function makeTemplate(parent: string, sources: string[], fill: (url: string) => Promise<void>): Promise<string> {
  const name = `imhotep_template_${await hashFiles(parent, sources)}`
  await withConnection(await testServer(), async (connection) => {
    await connection.query('select pg_advisory_lock($1)', [templateLock])
    const [existing] = await connection.query<{ complete: boolean }>(
      'select datistemplate as complete from pg_database where datname = $1',
      [name],
    )
    if (existing?.complete) return
    // Left by a process that was killed while it made it.
    if (existing) await connection.query(`drop database ${name} with (force)`)
    await connection.query(`create database ${name} template ${parent}`)
    await fill(await urlOf(name))
    // Nobody can connect: CREATE DATABASE refuses a template that is in use.
    await connection.query(`alter database ${name} with is_template true allow_connections false`)
  })
  return name
}

async function hashFiles(parent: string, directories: string[]): Promise<string> {
  const hash = createHash('sha256').update(parent)
  for (const directory of directories) {
    const entries = await readdir(join(root, directory), { recursive: true, withFileTypes: true })
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
    for (const file of files.toSorted()) hash.update(`${relative(root, file)}\n`).update(await readFile(file))
  }
  return hash.digest('hex').slice(0, 16)
}

async function urlOf(database: string): Promise<string> {
  const url = new URL(await testServer())
  url.pathname = `/${database}`
  return url.href
}

async function withConnection<T>(url: string, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await connect(url, { applicationName: 'imhotep-tests' }).dedicated()
  try {
    return await work(connection)
  } finally {
    await connection.release()
  }
}
