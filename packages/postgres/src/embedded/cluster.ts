import { randomBytes } from 'node:crypto'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { appendFile, chmod, chown, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { configurationFile } from './configuration.ts'
import { ClusterVersionError, EmbeddedServerError, explainDisk } from './errors.ts'
import type { Home } from './home.ts'
import { run, serverEnvironment } from './run.ts'

const partialPrefix = 'data.partial-'

/**
 * Makes the data directory: in a directory of its own that is renamed when it is complete, so that it exists whole or not
 * at all.
 * @throws EmbeddedServerError; nothing half-made is left
 */
export async function createCluster(home: Home, bin: string, version: number, onCreating: () => void): Promise<void> {
  await removePartials(home)
  const partial = join(home.path, `${partialPrefix}${process.pid}`)
  try {
    await makePassword(home)
    await mkdir(partial, { mode: 0o700 })
    await handOver(home, partial)
    await initialise(home, bin, version, partial, onCreating)
    await appendFile(join(partial, 'postgresql.conf'), `\ninclude_if_exists = '${configurationFile}'\n`)
    await rename(partial, home.data)
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => undefined)
    throw error
  }
}

/** @throws ClusterVersionError, EmbeddedServerError when this is no data directory of this version */
export async function checkCluster(home: Home, version: number): Promise<void> {
  let text: string
  try {
    text = await readFile(join(home.data, 'PG_VERSION'), 'utf8')
    await readFile(join(home.data, 'global', 'pg_control'))
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw explainDisk(home.data, String(code), cause) ?? cause
    throw new EmbeddedServerError(`'${home.data}' is damaged: it is not a complete data directory`, {
      hint: 'restore it from a backup, or move it away to start with an empty database',
      cause,
    })
  }
  const found = Number(text.trim())
  if (found !== version) throw new ClusterVersionError(home.data, found, version)
}

/** Root may have copied the directory, or restored it from a backup: PostgreSQL refuses data that are not its user's own. */
export async function takeOwnership({ user, data, password }: Home): Promise<void> {
  if (user === undefined || (await stat(data)).uid !== 0) return
  await run('chown', ['-R', `${user.uid}:${user.gid}`, data, password])
}

/** Gives a file to the server's user when the caller is root. */
export async function handOver(home: Home, path: string): Promise<void> {
  if (home.user !== undefined) await chown(path, home.user.uid, home.user.gid)
}

async function initialise(
  home: Home,
  bin: string,
  version: number,
  directory: string,
  onCreating: () => void,
): Promise<void> {
  const common = [
    '--username=postgres',
    `--pwfile=${home.password}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--no-sync',
  ]
  if (version >= 17) common.push('--locale-provider=builtin', '--builtin-locale=C.UTF-8')
  let output = ''
  for (const [attempt, locale] of ['C.UTF-8', 'en_US.UTF-8', 'C'].entries()) {
    const args = ['-D', directory, '--no-instructions', `--locale=${locale}`, ...common]
    const running = run(join(bin, 'initdb'), args, { user: home.user, cwd: directory })
    if (attempt === 0) onCreating()
    const finished = await running
    if (finished.status === 0) return
    output = finished.output
    if (!/invalid locale/i.test(output)) break
  }
  const disk = explainDisk(home.path, output)
  if (disk !== undefined) throw disk
  const reason = /^(?:initdb: error|.*(?:FATAL|PANIC)): *(.*)$/m.exec(output)?.[1] ?? output.trim().split('\n').at(-1)
  throw new EmbeddedServerError(`the data directory could not be made: ${reason}`, {
    hint: `make sure that '${home.path}' is on a local disk with free space, then run it again`,
  })
}

async function makePassword(home: Home): Promise<void> {
  if (!existsSync(home.password)) {
    const partial = `${home.password}.partial`
    await writeFile(partial, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 })
    await rename(partial, home.password)
  }
  await chmod(home.password, 0o600)
  await handOver(home, home.password)
}

/** What a killed start left; its initdb may still be at work in there and will fail. */
async function removePartials(home: Home): Promise<void> {
  const names = await readdir(home.path)
  for (const name of names.filter((entry) => entry.startsWith(partialPrefix))) {
    await rm(join(home.path, name), { recursive: true, force: true, maxRetries: 5 }).catch(() => undefined)
  }
}

/** createCluster does not wait for the disk, that would take most of its time; this makes it safe meanwhile. */
export function syncInBackground({ user, data }: Home, bin: string): void {
  const child = spawn(join(bin, 'initdb'), ['--sync-only', '-D', data], {
    // Not in the data directory: clearCrash takes what works there for a process of the server.
    cwd: '/',
    env: serverEnvironment(),
    detached: true,
    stdio: 'ignore',
    ...(user && { uid: user.uid, gid: user.gid }),
  })
  child.on('error', () => undefined)
  child.unref()
}
