import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Secret } from '@imhotep/base'

/** What an application logs in with, kept in a file that only its owner can read. */
export interface Credentials {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  readonly password: Secret
}

export function credentialsFile(state: string): string {
  return join(state, 'credentials.json')
}

/** Null when there is no file, or none that can be used. */
export function readCredentials(file: string): Credentials | null {
  if (!existsSync(file)) return null
  try {
    const { host, port, database, user, password } = JSON.parse(readFileSync(file, 'utf8'))
    return { host, port, database, user, password: new Secret(String(password)) }
  } catch {
    return null // written by hand or cut short: a new one replaces it
  }
}

/** Replaces the file in one step: a reader sees the old or the new one, whole. */
export function writeCredentials(file: string, credentials: Credentials): void {
  mkdirSync(dirname(file), { recursive: true })
  const text = JSON.stringify({ ...credentials, password: credentials.password.reveal() }, null, 2)
  const partial = `${file}.partial-${process.pid}`
  writeFileSync(partial, `${text}\n`, { mode: 0o600 })
  chmodSync(partial, 0o600)
  renameSync(partial, file)
}
