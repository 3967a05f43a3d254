import { randomBytes } from 'node:crypto'
import { Secret } from '@imhotep/base'
import { AuthenticationFailedError, connect, describeTarget, type Database } from '@imhotep/postgres'
import { credentialsFile, readCredentials, writeCredentials, type Credentials } from '../project/credentials.ts'
import { scramVerifier } from './scram-verifier.ts'

/** The role that applications log in as. */
export const APPLICATION_ROLE = 'imhotep_app'

export interface LoginOptions {
  /** Directory that keeps credentials.json. */
  readonly state: string
  /** A password that somebody else gave to the role is replaced; only on a server that is ours alone. */
  readonly replace: boolean
}

/**
 * Gives the application's role a random password and keeps it in credentials.json, unless the kept one still works.
 * `kept`: the role has a password that is not ours, and it was left alone.
 */
export async function ensureApplicationLogin(
  db: Database,
  url: string,
  { state, replace }: LoginOptions,
): Promise<'new' | 'already there' | 'kept'> {
  const file = credentialsFile(state)
  const { host, port, database } = describeTarget(url)
  return db.transaction(async (tx) => {
    // Two runs at once would each keep a password, and the role has one.
    await tx.query(`select pg_advisory_xact_lock(hashtextextended('imhotep application login', 0))`)
    const known = readCredentials(file)
    const isForHere = known?.host === host && known.port === port && known.database === database
    if (isForHere && (await canLogIn(url, known))) return 'already there'

    const [role] = await tx.query<{ login: boolean }>(
      'select rolcanlogin as login from pg_catalog.pg_roles where rolname = $1',
      [APPLICATION_ROLE],
    )
    if (role?.login === true && !replace) return 'kept'
    // The embedded server may come back on another port: the password stays what it was.
    if (known !== null && replace && (await canLogIn(url, known))) {
      writeCredentials(file, { ...known, host, port, database })
      return 'already there'
    }
    const password = new Secret(randomBytes(24).toString('base64url'))
    // Kept first: killed between the two, the next run finds a password that does not work yet and sets a new one.
    writeCredentials(file, { host, port, database, user: APPLICATION_ROLE, password })
    await tx.query(`alter role ${APPLICATION_ROLE} login password '${scramVerifier(password.reveal())}'`)
    return 'new'
  })
}

async function canLogIn(url: string, { user, password }: Credentials): Promise<boolean> {
  const login = new URL(url)
  login.username = user
  login.password = encodeURIComponent(password.reveal())
  for (const name of ['user', 'password']) login.searchParams.delete(name)
  const db = connect(login.href, { applicationName: 'imhotep', max: 1 })
  try {
    await db.query('select 1')
    return true
  } catch (error) {
    if (error instanceof AuthenticationFailedError) return false
    throw error
  } finally {
    await db.close()
  }
}

/** What an application connects to: without the password, encrypted as `url` is. */
export function applicationUrl(url: string): string {
  const { host, port, database } = describeTarget(url)
  const name = host.includes(':') ? `[${host}]` : encodeURIComponent(host)
  const login = new URL(`postgresql://${APPLICATION_ROLE}@${name}:${port}/${encodeURIComponent(database)}`)
  for (const [key, value] of new URL(url).searchParams) if (key.startsWith('ssl')) login.searchParams.set(key, value)
  return login.href
}
