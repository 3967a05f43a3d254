import { randomBytes } from 'node:crypto'
import { Secret } from '@imhotep/base'
import { connect, describeTarget, type Database } from '@imhotep/postgres'
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
  const known = readCredentials(file)
  const isForHere = known?.host === host && known.port === port && known.database === database
  if (isForHere && (await canLogIn(url, known))) return 'already there'

  const [role] = await db.query<{ login: boolean }>(
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
  await db.query(`alter role ${APPLICATION_ROLE} login password '${scramVerifier(password.reveal())}'`)
  return 'new'
}

async function canLogIn(url: string, { user, password }: Credentials): Promise<boolean> {
  const login = new URL(url)
  login.username = user
  login.password = encodeURIComponent(password.reveal())
  const db = connect(login.href, { applicationName: 'imhotep', max: 1 })
  try {
    await db.query('select 1')
    return true
  } catch {
    return false // whatever the reason: a new password is set, and that reports a server that does not answer
  } finally {
    await db.close()
  }
}

/** What an application connects to: without the password. */
export function applicationUrl(url: string): string {
  const { host, port, database } = describeTarget(url)
  return `postgresql://${APPLICATION_ROLE}@${host}:${port}/${encodeURIComponent(database)}`
}
