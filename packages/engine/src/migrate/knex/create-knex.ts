import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { KnexMissingError } from './errors.ts'
import { readKnexfile, type Knexfile } from './knexfile.ts'

/** What a migration's code asks of its database, where in its file it asks, and how Knex means to read the answer. */
export interface Query {
  readonly sql: string
  readonly bindings: readonly unknown[]
  /** Line of the file, counted from 1; null when no frame of the file was on the stack. */
  readonly line: number | null
  /** True for BEGIN, SAVEPOINT and their ends that Knex sends by itself. */
  readonly control: boolean
}

/** What the driver pg answers; only what Knex and migrations read of it. */
export interface Answer {
  readonly command: string
  readonly rowCount: number
  readonly rows: readonly Record<string, unknown>[]
  readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[]
}

/** Answers one query; several answers for a text of several statements. */
export type Send = (query: Query) => Promise<Answer | Answer[]>

/** Knex, as far as it is used here. The project's own version is loaded, whichever that is. */
export interface Knex {
  readonly client: { readonly constructor: new (config: object) => Client }
  transaction(): Promise<Knex & { commit(): Promise<void>; isCompleted(): boolean }>
}

interface Client {
  queryBuilder(...args: unknown[]): object
  schemaBuilder(...args: unknown[]): object
  raw(...args: unknown[]): object
  runner(builder: object): { query(query: object | string): Promise<unknown> }
}

/** What decides the SQL of a project's migrations. */
export interface KnexProject {
  readonly library: KnexLibrary
  readonly knexfile: Knexfile
}

interface KnexLibrary {
  readonly create: (config: object) => Knex
  /** The driver that reads values, null when the project does not have it. */
  readonly driver: { readonly types: { getTypeParser(oid: number): (text: string) => unknown } } | null
}

/**
 * The project's own Knex, with the driver pg beside it and what its knexfile says.
 * @throws KnexMissingError, KnexLoadError
 */
export async function openKnexProject(directory: string): Promise<KnexProject> {
  return { library: loadKnex(directory), knexfile: await readKnexfile(directory) }
}

function loadKnex(directory: string): KnexLibrary {
  const load = createRequire(join(directory, 'migrations.js'))
  let path
  try {
    path = load.resolve('knex')
  } catch (cause) {
    throw new KnexMissingError('knex', directory, { cause })
  }
  const module = load(path) as { knex?: KnexLibrary['create'] } & KnexLibrary['create']
  return { create: module.knex ?? module, driver: loadDriver(load, createRequire(join(dirname(path), 'x.js'))) }
}

function loadDriver(...loaders: NodeJS.Require[]): KnexLibrary['driver'] {
  for (const load of loaders) {
    try {
      return load('pg') as NonNullable<KnexLibrary['driver']>
    } catch {
      // Without it nothing can be read, but a migration may have nothing to read.
    }
  }
  return null
}

/** A knex instance whose queries go to `send` instead of a server; `path` is the file whose lines are told. */
export function createKnex({ library, knexfile }: KnexProject, path: string, send: Send): Knex {
  const { create } = library
  const Base = create({ client: 'pg' }).client.constructor
  const lines = new WeakMap<object, number | null>()
  const seen = <T extends object>(builder: T): T => {
    if (!lines.has(builder)) lines.set(builder, lineOnStack(path))
    return builder
  }
  const connection = { __knexUid: 'imhotep' }

  // Transactions make their clients of the prototype: everything is a method, nothing is set on the instance.
  class Recorder extends Base {
    override queryBuilder(...args: unknown[]): object {
      return seen(super.queryBuilder(...args))
    }
    override schemaBuilder(...args: unknown[]): object {
      return seen(super.schemaBuilder(...args))
    }
    override raw(...args: unknown[]): object {
      return seen(super.raw(...args))
    }
    override runner(builder: object) {
      const runner = super.runner(builder)
      const query = runner.query.bind(runner)
      const line = lines.get(builder) ?? null
      runner.query = (sent) => query(Object.assign(typeof sent === 'string' ? { sql: sent } : sent, { line }))
      return runner
    }
    acquireConnection() {
      return Promise.resolve(connection)
    }
    releaseConnection() {
      return Promise.resolve()
    }
    async _query(_: unknown, query: { sql: string; bindings?: unknown[]; line?: number | null }) {
      const { sql, bindings = [], line } = query
      const response = await send({ sql, bindings, line: line ?? null, control: line === undefined })
      return Object.assign(query, { response })
    }
    _stream(): never {
      throw new Error('rows cannot be streamed in a migration: read them with await')
    }
  }
  return create({ ...knexfile.dialect, client: Recorder })
}

/** The line of the innermost frame that is in the file. */
function lineOnStack(path: string): number | null {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 50
  const { stack = '' } = new Error('where is this called')
  Error.stackTraceLimit = limit
  return lineInStack(stack, path)
}

/** The line of the innermost frame of a stack that is in the file. */
export function lineInStack(stack: string, path: string): number | null {
  for (const frame of stack.split('\n')) {
    const place = /^(.*?)(?:\?[^:]*)?:(\d+):\d+\)?$/.exec(frame)
    const file = place?.[1] ?? ''
    if (file.endsWith(path) || file.endsWith(pathToFileURL(path).href)) return Number(place?.[2])
  }
  return null
}
