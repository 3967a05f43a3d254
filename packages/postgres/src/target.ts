import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { UsageError } from '@imhotep/base'

export interface Target {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
}

/** Everything that a connection string says, with what the environment adds. */
export interface Login extends Target {
  readonly password: string
  readonly ssl: Tls
  /** Settings for the session. */
  readonly startup: Readonly<Record<string, string>>
  readonly connectTimeoutMs: number | undefined
}

/** As the driver takes it: off, encrypted without a look at the certificate, or verified. */
type Tls = false | 'require' | 'prefer' | Pick<ConnectionOptions, 'host' | 'ca' | 'checkServerIdentity'>

/** Parameters that go to the server as they are. */
const startupParameters = [
  'application_name',
  'options',
  'search_path',
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
]
const ownParameters = ['host', 'port', 'user', 'password', 'sslmode', 'sslrootcert', 'connect_timeout']

/**
 * Where a connection string leads, without its password: for the first line of every command.
 * @throws UsageError when the text is not a PostgreSQL URL; the text is not repeated, it may hold a password
 */
export function describeTarget(url: string): Target {
  const { host, port, database, user } = readUrl(url)
  return { host, port, database, user }
}

/** @throws UsageError when the text is not a PostgreSQL URL, names several hosts or a parameter that is not known */
export function readUrl(url: string): Login {
  const { hostname, port, username, password, pathname, searchParams } = parseUrl(url)
  const { env } = process
  const given = (name: string) => searchParams.get(name) || undefined
  checkParameters(searchParams)
  const host = given('host') || decodeURIComponent(hostname).replace(/^\[|\]$/g, '') || env['PGHOST'] || 'localhost'
  if (host.includes(',')) throw severalHosts()
  const user = given('user') || decodeURIComponent(username) || env['PGUSER'] || 'postgres'
  const seconds = Number(given('connect_timeout'))
  return {
    host,
    port: Number(given('port') || port || env['PGPORT'] || 5432),
    database: decodeURIComponent(pathname.slice(1)) || env['PGDATABASE'] || user,
    user,
    password: given('password') || decodeURIComponent(password) || env['PGPASSWORD'] || '',
    ssl: isSocket(host) ? false : readTls(host, given('sslmode'), given('sslrootcert')),
    startup: Object.fromEntries([...searchParams].filter(([name]) => startupParameters.includes(name))),
    connectTimeoutMs: seconds > 0 ? seconds * 1000 : undefined,
  }
}

/** Whether a host is the directory of a unix socket. */
export function isSocket(host: string): boolean {
  return host.startsWith('/')
}

/** The connection string with `***` for each password in it. Text that is not a URL is not shown at all. */
export function redactUrl(url: string): string {
  let parsed: URL
  try {
    parsed = parseUrl(url)
  } catch {
    return '(not a connection string)'
  }
  if (parsed.password !== '') parsed.password = '***'
  for (const name of parsed.searchParams.keys()) if (/pass|secret|key/i.test(name)) parsed.searchParams.set(name, '***')
  return parsed.href
}

/** The same connection string to another database of the server. */
export function withDatabase(url: string, database: string): string {
  const other = new URL(url)
  other.pathname = `/${encodeURIComponent(database)}`
  return other.href
}

function parseUrl(url: string): URL {
  let parsed: URL
  try {
    parsed = new URL(url)
    decodeURIComponent(parsed.username + parsed.password + parsed.hostname + parsed.pathname)
  } catch {
    // A list with ports is no URL to Node.
    throw /^postgres(ql)?:\/\/([^/?#]*@)?[^/?#@]*,/.test(url) ? severalHosts() : notAUrl()
  }
  if (!['postgres:', 'postgresql:'].includes(parsed.protocol)) throw notAUrl()
  return parsed
}

/** The server would take each for a setting, and answer with its name and a FATAL at best. */
function checkParameters(parameters: URLSearchParams): void {
  for (const [name, value] of parameters) {
    if (startupParameters.includes(name) || ownParameters.includes(name)) continue
    if (name === 'channel_binding' && value !== 'require') continue
    throw new UsageError(`the connection string has the parameter '${name}', which is not supported`, {
      hint:
        name === 'schema'
          ? 'leave it out; where it is meant for the search path, write search_path instead'
          : `leave it out; known are ${[...ownParameters, ...startupParameters].join(', ')}; other settings go into options`,
    })
  }
}

/** Nothing is encrypted unless it is asked for: sslmode, else PGSSLMODE. A root certificate asks for the look at it. */
function readTls(host: string, mode = process.env['PGSSLMODE'], file = process.env['PGSSLROOTCERT']): Tls {
  if (mode === 'verify-full' || (!mode && file === 'system')) return { host, ...readAuthority(file) }
  if (mode === 'verify-ca' || (mode === 'require' && file)) {
    return { host, ...readAuthority(file), checkServerIdentity: () => undefined }
  }
  if (mode === 'require') return mode
  if (mode === 'allow' || mode === 'prefer') return 'prefer'
  if (!mode || mode === 'disable') return false
  throw new UsageError('sslmode is none that PostgreSQL knows', {
    hint: 'use disable, allow, prefer, require, verify-ca or verify-full',
  })
}

function readAuthority(file: string | undefined): { ca?: string } {
  if (!file || file === 'system') return {}
  try {
    return { ca: readFileSync(file, 'utf8') }
  } catch (cause) {
    throw new UsageError(`the root certificate '${file}' cannot be read`, { hint: 'correct sslrootcert', cause })
  }
}

function severalHosts(): UsageError {
  return new UsageError('the connection string names several hosts', {
    hint: 'name one: that of the primary, or of what stands before the servers',
  })
}

function notAUrl(): UsageError {
  return new UsageError('the connection string is not a PostgreSQL URL', {
    hint: 'write it as postgres://user:password@host:5432/database and percent-encode special characters of the password',
  })
}
