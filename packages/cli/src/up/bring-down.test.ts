import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { DestroyRefusedError } from '../errors.ts'
import { describeProject } from '../project/project.ts'
import { bringDown } from './bring-down.ts'
import { isNewServer } from './open-server.ts'

const root = mkdtempSync(join(tmpdir(), 'imhotep-down-'))
after(() => rmSync(root, { recursive: true }))
const project = describeProject(root, {})

test('bringDown: asks before it removes credentials, also without an embedded server', async () => {
  mkdirSync(project.state)
  writeFileSync(join(project.state, 'credentials.json'), '{}')
  const refused = bringDown(project, { destroy: true, confirm: () => Promise.resolve(false) })
  await assert.rejects(refused, DestroyRefusedError)
  assert.ok(existsSync(project.state))

  const done = await bringDown(project, { destroy: true, confirm: () => Promise.resolve(true) })

  assert.deepEqual(done, { servers: [], destroyed: true })
  assert.ok(!existsSync(project.state))
})

test('bringDown: asks nothing where there is nothing', async () => {
  const done = await bringDown(project, { destroy: true, confirm: () => Promise.reject(new Error('asked')) })

  assert.deepEqual(done, { servers: [], destroyed: false })
})

test('isNewServer: a directory that a failed start left does not count', async () => {
  const options = { url: undefined, version: undefined, port: undefined, progress: () => undefined }
  mkdirSync(join(project.state, 'postgres-16'), { recursive: true })
  assert.equal(await isNewServer(project, options), true)

  mkdirSync(join(project.state, 'postgres-15/data'), { recursive: true })
  writeFileSync(join(project.state, 'postgres-15/data/PG_VERSION'), '15\n')
  assert.equal(await isNewServer(project, options), false)
})
