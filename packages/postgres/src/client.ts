import { once } from 'node:events'
import { createRequire } from 'node:module'
import net from 'node:net'
import { Stream } from 'node:stream'
import type { ImhotepError } from '@imhotep/base'
import type postgres from 'postgres'
import type { ConnectOptions, TextAnswer } from './database.ts'
import { ConnectionFailedError, isCertificateTrouble } from './errors/connection-failed.ts'
import { ConnectionLostError } from './errors/database-error.ts'
import { isServerError, toDatabaseError } from './errors/to-database-error.ts'
import { encodeParameters } from './parameters.ts'
import { driverTypes } from './results.ts'
import { isSocket, readUrl, type Target } from './target.ts'

const defaultConnectTimeoutMs = 10_000
/** Named statements live as long as their connection: texts beyond this number are planned each time. */
const maxPrepared = 500

const load = createRequire(import.meta.url)

export interface ClientOptions extends ConnectOptions {
  /** Sent with the start of the session: settings, `replication`. */
  readonly startup?: Readonly<Record<string, string>>
}

export interface CommandResult<T> extends Array<T> {
  /** The command tag: 'SELECT', 'COMMIT', ... */
  readonly command: string
}

/**
 * One connection to the server, made by the driver with a pool of one. The driver would silently connect again after a
 * loss and run the rest of a transaction outside of it; here the socket can be had once, so that a lost connection stays lost.
 */
export interface Client {
  /** Sends one statement right away, behind those under way. Never rejects later than it is awaited: safe to pipeline. */
  send<T>(sql: string, params?: readonly unknown[]): Promise<CommandResult<T>>
  /** Sends a text of any number of statements as one simple-query message. */
  script(sql: string): Promise<CommandResult<unknown>>
  /** Sends one statement without bind parameters; its values come as PostgreSQL wrote them. */
  answer(sql: string): Promise<TextAnswer>
  /** A COPY statement as the driver has it. @throws ConnectionLostError */
  copy(sql: string): CopyQuery
  readonly lost: boolean
  readonly openedAt: number
  translate(error: unknown): unknown
  /** `force` does not wait for statements under way. */
  close(options?: { force?: boolean }): Promise<void>
}

/** Prepares a connection; it is opened by the first statement. */
export function createClient(url: string, options: ClientOptions = {}): Client {
  const target = readUrl(url)
  const connectTimeoutMs = target.connectTimeoutMs ?? defaultConnectTimeoutMs
  let opened = false
  let ready = false
  let lost = false
  /** Why the server let nobody in: statements sent behind the first one only see a closed connection. */
  let refusal: ImhotepError | undefined
  const prepared = new Set<string>()

  // Loaded here: what needs no database does not wait for it.
  // The driver gets no URL: what it does not know of one, it sends to the server as settings.
  const driver = (load('postgres') as typeof postgres)({
    max: 1,
    // As lists: text would be taken apart at commas and colons.
    host: [target.host] as never,
    port: [target.port] as never,
    database: target.database,
    username: target.user,
    password: target.password,
    ssl: target.ssl,
    // Beyond the time limit of the socket: the driver's own timer fails when it has no socket yet.
    connect_timeout: (2 * connectTimeoutMs) / 1000,
    idle_timeout: 0,
    max_lifetime: null,
    types: driverTypes as never,
    fetch_types: false,
    onnotice: (notice) =>
      options.onNotice?.({
        severity: notice['severity'] ?? 'NOTICE',
        sqlstate: notice['code'] ?? '00000',
        message: notice['message'] ?? '',
      }),
    onclose: () => {
      lost = true
      // Else it keeps all but one of the statements that it has not sent yet for a connection that never comes.
      void driver.end({ timeout: 0 })
    },
    connection: {
      // The one form that results.ts reads, whatever the database or the role has set. Poolers take it.
      DateStyle: 'ISO',
      application_name: options.applicationName ?? 'imhotep',
      ...target.startup,
      ...options.startup,
    },
    socket: () => {
      if (opened) throw Object.assign(new Error('the connection was lost'), { code: 'CONNECTION_CLOSED' })
      opened = true
      return openSocket(target, connectTimeoutMs)
    },
  } as postgres.Options<Record<string, never>>)

  function translate(error: unknown): unknown {
    if (isServerError(error)) {
      const translated = toDatabaseError(error)
      // FATAL ends the session; the close of the socket arrives later.
      if ((error as { severity?: string }).severity === 'FATAL') {
        lost = true
        if (!ready) refusal ??= translated
      }
      return translated
    }
    if (!isConnectionTrouble(error)) return toDatabaseError(error)
    lost = true
    if (refusal) return refusal
    if (!ready) return new ConnectionFailedError(target, error)
    return new ConnectionLostError(
      `the connection to ${target.host}:${target.port} was lost`,
      { sqlstate: '08006' },
      { cause: error, hint: 'check that the server runs, then repeat the transaction' },
    )
  }

  async function settle<T>(query: Promise<unknown>): Promise<CommandResult<T>> {
    try {
      const result = await query
      ready = true
      return result as CommandResult<T>
    } catch (error) {
      if (isServerError(error) && (error as { severity?: string }).severity !== 'FATAL') ready = true
      throw translate(error)
    }
  }

  /** The driver would keep a second statement behind a loss for a connection that never comes. */
  function refuseLost(): Promise<never> {
    return Promise.reject(translate(Object.assign(new Error('closed'), { code: 'CONNECTION_CLOSED' })))
  }

  function send<T>(sql: string, params: readonly unknown[] = []): Promise<CommandResult<T>> {
    if (lost) return refuseLost()
    let values
    try {
      values = encodeParameters(params).map((value) => driver.typed(value as never, 0))
    } catch (error) {
      return Promise.reject(error)
    }
    const prepare = isPreparable(sql) && (prepared.has(sql) || prepared.size < maxPrepared)
    if (prepare) prepared.add(sql)
    // `simple: false` also without parameters: one text is one statement.
    return settle(driver.unsafe(sql, values as never, { prepare, simple: false } as never).execute())
  }

  return {
    send,
    script: (sql) => (lost ? refuseLost() : settle(driver.unsafe(sql).simple().execute())),
    answer: async (sql) =>
      toTextAnswer(await (lost ? refuseLost() : settle<Buffer[]>(driver.unsafe(sql).simple().raw().execute()))),
    copy: (sql) => {
      if (lost) throw translate(Object.assign(new Error('closed'), { code: 'CONNECTION_CLOSED' }))
      return silenced(driver.unsafe(sql))
    },
    translate,
    openedAt: Date.now(),
    get lost() {
      return lost
    },
    close: async ({ force = false } = {}) => {
      const graceful = !force && !lost
      lost = true
      await driver.end(graceful ? {} : { timeout: 0 })
    },
  }
}

type CopyQuery = postgres.PendingQuery<postgres.Row[]>

/** A stream may break in the same moment in which it is handed over: who awaits it cannot have listened yet. */
function silenced(query: CopyQuery): CopyQuery {
  const inner = query as unknown as { resolve: (result: unknown) => void }
  const { resolve } = inner
  inner.resolve = (result) => {
    if (result instanceof Stream) result.on('error', () => undefined)
    resolve(result)
  }
  return query
}

function toTextAnswer(result: CommandResult<readonly (Buffer | null)[]>): TextAnswer {
  // A command without rows has no columns, whatever the driver's types say.
  const { count, columns } = result as unknown as { count: number | null; columns?: postgres.ColumnList<string> }
  return {
    command: result.command,
    count: count ?? 0,
    columns: (columns ?? []).map(({ name, type }) => ({ name, type })),
    rows: [...result].map((row) => row.map((value) => (value === null ? null : value.toString()))),
  }
}

/** Only plannable statements gain from a name, and DDL would fill the server's memory with plans that are used once. */
function isPreparable(sql: string): boolean {
  return /^\s*(select|insert|update|delete|merge|with|values)\b/i.test(sql)
}

async function openSocket({ host, port }: Target, timeoutMs: number): Promise<net.Socket> {
  const socket = net.connect(isSocket(host) ? { path: `${host}/.s.PGSQL.${port}` } : { host, port, noDelay: true })
  const timer = setTimeout(() => {
    socket.destroy(Object.assign(new Error('the connection attempt timed out'), { code: 'ETIMEDOUT' }))
  }, timeoutMs)
  try {
    await once(socket, 'connect')
  } finally {
    clearTimeout(timer)
  }
  // The driver reads this for the server name of TLS.
  return Object.assign(socket, { host })
}

function isConnectionTrouble(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  if (typeof code !== 'string' || isServerError(error)) return false
  return /^(E[A-Z]+|CONNECT|CONNECTION_|SASL_)/.test(code) || isCertificateTrouble(code)
}
