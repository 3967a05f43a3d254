import { UsageError } from '@imhotep/base'

export interface Target {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
}

/**
 * Where a connection string leads, without its password: for the first line of every command.
 * @throws UsageError when the text is not a PostgreSQL URL; the text is not repeated, it may hold a password
 */
export function describeTarget(url: string): Target {
  const parsed = parseUrl(url)
  const user = decodeURIComponent(parsed.username) || process.env['PGUSER'] || 'postgres'
  return {
    host: decodeURIComponent(parsed.hostname).replace(/^\[|\]$/g, '') || process.env['PGHOST'] || 'localhost',
    port: Number(parsed.port || process.env['PGPORT'] || 5432),
    database: decodeURIComponent(parsed.pathname.slice(1)) || process.env['PGDATABASE'] || user,
    user,
  }
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

/** @throws UsageError when the text is not a PostgreSQL URL */
export function parseUrl(url: string): URL {
  let parsed: URL
  try {
    parsed = new URL(url)
    decodeURIComponent(parsed.username + parsed.password + parsed.pathname)
  } catch {
    throw notAUrl()
  }
  if (!['postgres:', 'postgresql:'].includes(parsed.protocol)) throw notAUrl()
  return parsed
}

function notAUrl(): UsageError {
  return new UsageError('the connection string is not a PostgreSQL URL', {
    hint: 'write it as postgres://user:password@host:5432/database and percent-encode special characters of the password',
  })
}
