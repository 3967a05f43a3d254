import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { EmbeddedServerError } from './errors.ts'
import { run } from './run.ts'

export interface OsUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/**
 * The user that the server runs as: nobody special (undefined) for an ordinary user. PostgreSQL refuses root, so root
 * hands over to the owner of an existing data directory, else to the user `name`, who is created when missing.
 * @throws EmbeddedServerError when the user can be neither found nor created
 */
export async function findServerUser(data: string, name = 'postgres'): Promise<OsUser | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const owner = await stat(data).catch(() => undefined)
  if (owner !== undefined && owner.uid !== 0) return { name: `#${owner.uid}`, uid: owner.uid, gid: owner.gid }
  return (await lookUp(name)) ?? (await createUser(name))
}

/** Whether `user` may pass through the directory and all above it; by the mode bits, as the kernel does without ACLs. */
export async function canTraverse(directory: string, user: OsUser): Promise<boolean> {
  for (let path = directory; ; path = dirname(path)) {
    const { mode, uid, gid } = await stat(path)
    const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001
    if ((mode & bit) === 0) return false
    if (path === dirname(path)) return true
  }
}

async function lookUp(name: string): Promise<OsUser | undefined> {
  const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])])
  if (uid.status !== 0 || gid.status !== 0) return undefined
  return { name, uid: Number(uid.output), gid: Number(gid.output) }
}

async function createUser(name: string): Promise<OsUser> {
  const attempts = [
    await run('useradd', ['--system', '--no-create-home', '--shell', '/bin/false', '--user-group', name]),
  ]
  // BusyBox, as in Alpine.
  if (attempts[0]?.status !== 0) attempts.push(await run('adduser', ['-S', '-D', '-H', '-s', '/bin/false', name]))

  const created = await lookUp(name)
  if (created !== undefined) return created
  throw new EmbeddedServerError(
    `PostgreSQL does not run as root, and the user '${name}' is missing and could not be created`,
    { hint: `run this as an ordinary user, or create the user first: useradd --system ${name}` },
  )
}
