import { UsageError } from '@imhotep/base'

export const configurationFile = 'imhotep.conf'

/**
 * Loopback only, and no unix socket: its path may be longer than the 107 bytes that the system allows. What rows and
 * statements hold stays out of the log: neither the detail of an error nor its statement.
 */
const defaults = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  password_encryption: 'scram-sha-256',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '%m [%p] ',
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
}

/**
 * The text of the file that postgresql.conf includes; written anew at each start.
 * @throws UsageError for a setting name that cannot be one
 */
export function writeConfiguration(port: number, settings: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries({ ...defaults, ...settings, port: String(port) }).map(([name, value]) => {
    if (!/^[a-z_][a-z0-9_.]*$/i.test(name) || /[\0\r\n]/.test(value)) {
      throw new UsageError(`'${name}' is not a setting of PostgreSQL`, {
        hint: 'see the view pg_settings for all of them',
      })
    }
    return `${name} = '${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'\n`
  })
  return [
    '# Written by Imhotep at each start of the embedded server: put changes of yours into postgresql.conf below.\n',
    ...lines,
  ].join('')
}
