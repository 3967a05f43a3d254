import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, realpath, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { EmbeddedServerError } from './errors.ts'
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

/** Stands in a home that is elsewhere, and holds the directory that it belongs to. */
const ownerName = 'owner'

const movedHomes = '/var/lib/imhotep'

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

/**
 * Finds the home of `directory` (a real path), or chooses it the first time. To be called under the lock.
 * @throws EmbeddedServerError when the data that belong to it are gone, or are those of another directory
 */
export async function openHome(directory: string): Promise<Home> {
  const moved = await findHomePath(directory)
  if (moved !== directory) {
    // The port is written when the data are complete: without it a start was killed while they were made.
    if (!existsSync(moved) || (existsSync(join(moved, 'port')) && !existsSync(join(moved, 'data')))) {
      throw new EmbeddedServerError(`the data of '${directory}' are not in '${moved}' any more`, {
        hint: `restore them from a backup, or delete '${directory}' to start with an empty database`,
      })
    }
    const owner = await readLine(join(moved, ownerName))
    const isOurs = owner === '' ? moved === movedPath(directory) : owner !== directory
    if (isOurs) await writeFile(join(moved, ownerName), `${directory}\n`)
    return describe(moved, await findServerUser(join(moved, 'data')))
  }

  const user = await findServerUser(join(directory, 'data'))
  if (user === undefined || (await canTraverse(directory, user))) return describe(directory, user)

  // Root in a directory that nobody else can enter, such as /root or one of mktemp: the data goes where the user can go.
  const path = movedPath(directory)
  await mkdir(path, { recursive: true })
  await chmod(dirname(path), 0o755)
  await chmod(path, 0o755)
  await writeFile(join(path, ownerName), `${directory}\n`)
  await writeFile(join(directory, pointerName), `${path}\n`)
  return describe(path, user)
}

/**
 * Where the files are: `directory` itself, or the place that root has chosen for it. Changes nothing.
 * @throws EmbeddedServerError when the pointer leads elsewhere, as that of a copied or a prepared directory may
 */
export async function findHomePath(directory: string): Promise<string> {
  const moved = await readLine(join(directory, pointerName))
  if (moved === '') return directory
  if (resolve(moved) !== moved || dirname(moved) !== movedHomes) {
    throw new EmbeddedServerError(`'${join(directory, pointerName)}' does not name a directory in ${movedHomes}`, {
      hint: 'delete that file: nobody but Imhotep writes it',
    })
  }
  const owner = await readLine(join(moved, ownerName))
  // Of a project that was moved, nothing is left at the old place.
  if (owner === '' || owner === directory || (await readLine(join(owner, pointerName))) !== moved) return moved
  throw new EmbeddedServerError(`'${directory}' is a copy of '${owner}', whose data are in '${moved}'`, {
    hint: `delete '${directory}' to start with an empty database here`,
  })
}

function movedPath(directory: string): string {
  const hash = createHash('sha256').update(directory).digest('hex').slice(0, 12)
  return join(movedHomes, `${basename(directory)}-${hash}`)
}

/** Empty when there is no such file. */
async function readLine(path: string): Promise<string> {
  return (await readFile(path, 'utf8').catch(() => '')).trim()
}

function describe(path: string, user: OsUser | undefined): Home {
  const file = (name: string) => join(path, name)
  return { path, user, data: file('data'), password: file('password'), port: file('port'), log: file('server.log') }
}
