import { createHash } from 'node:crypto'
import { chmod, mkdir, readFile, realpath, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { canTraverse, findServerUser, type OsUser } from './os-user.ts'

/** The files of one embedded server. */
export interface Home {
  readonly path: string
  /** The data directory, real path. */
  readonly data: string
  /** Password of the superuser, readable by the server's user only. */
  readonly password: string
  /** The port of the last start. */
  readonly port: string
  readonly log: string
  /** Who runs the server; undefined: whoever calls. */
  readonly user: OsUser | undefined
}

/** Holds the path of the home when the server's user cannot reach the directory that was asked for. */
const pointerName = 'location'

/** The directory that was asked for, made if missing: the lock file lives in it. */
export async function makeDirectory(directory: string): Promise<string> {
  try {
    await mkdir(resolve(directory), { recursive: true })
  } catch (error) {
    // Node says ENOENT for a read-only file system; without `recursive` it tells the reason.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    await mkdir(resolve(directory))
  }
  return await realpath(resolve(directory))
}

/** Finds the home of `directory` (a real path), or chooses it the first time. To be called under the lock. */
export async function openHome(directory: string): Promise<Home> {
  const moved = await findHomePath(directory)
  if (moved !== directory) {
    await mkdir(moved, { recursive: true, mode: 0o755 })
    return describe(moved, await findServerUser(join(moved, 'data')))
  }

  const user = await findServerUser(join(directory, 'data'))
  if (user === undefined || (await canTraverse(directory, user))) return describe(directory, user)

  // Root in a directory that nobody else can enter, such as /root or one of mktemp: the data goes where the user can go.
  const hash = createHash('sha256').update(directory).digest('hex').slice(0, 12)
  const path = join('/var/lib/imhotep', `${basename(directory)}-${hash}`)
  await mkdir(path, { recursive: true })
  await chmod(dirname(path), 0o755)
  await chmod(path, 0o755)
  await writeFile(join(directory, pointerName), `${path}\n`)
  return describe(path, user)
}

/** Where the files are: `directory` itself, or the place that root has chosen for it. Changes nothing. */
export async function findHomePath(directory: string): Promise<string> {
  const moved = await readFile(join(directory, pointerName), 'utf8').catch(() => '')
  return moved.trim() || directory
}

function describe(path: string, user: OsUser | undefined): Home {
  const file = (name: string) => join(path, name)
  return { path, user, data: file('data'), password: file('password'), port: file('port'), log: file('server.log') }
}
