import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { EmbeddedServerError } from './errors.ts'
import { withLock } from './lock.ts'

let directory: string
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imhotep-lock-'))
})
after(() => rm(directory, { recursive: true }))

test('withLock: lets one in at a time and leaves no file', async () => {
  const path = join(directory, 'busy')
  let inside = 0
  let most = 0
  const work = async () => {
    most = Math.max(most, ++inside)
    await new Promise((resolve) => setTimeout(resolve, 5))
    inside--
  }

  await Promise.all([1, 2, 3, 4].map(() => withLock(path, work)))

  assert.equal(most, 1)
  assert.ok(!existsSync(path))
})

test('withLock: frees the lock when the work fails', async () => {
  const path = join(directory, 'failing')

  await assert.rejects(
    withLock(path, () => Promise.reject(new Error('no'))),
    /no/,
  )

  assert.equal(await withLock(path, async () => 'in'), 'in')
})

test('withLock: takes over the lock of a process that died, one at a time', async () => {
  const path = join(directory, 'stale')
  const { pid } = spawnSync(process.execPath, ['--version'])
  await writeFile(path, `${pid} 12345\n`)
  let inside = 0
  const work = async () => {
    assert.equal(++inside, 1)
    await new Promise((resolve) => setTimeout(resolve, 5))
    inside--
  }

  await Promise.all([1, 2, 3].map(() => withLock(path, work)))

  assert.ok(!existsSync(path))
})

test(
  'withLock: takes over the lock of a process whose id has a new owner',
  { skip: process.platform !== 'linux' },
  async () => {
    const path = join(directory, 'reused')
    await writeFile(path, `${process.pid} 1\n`)

    assert.equal(await withLock(path, async () => 'in'), 'in')
  },
)

test('withLock: gives up with the id of a process that keeps the lock', async () => {
  const path = join(directory, 'kept')

  await withLock(path, () =>
    assert.rejects(
      withLock(path, async () => 'in', 100),
      (error) => error instanceof EmbeddedServerError && error.hint?.includes(String(process.pid)) === true,
    ),
  )
})
