import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readEnvFile } from './env-file.ts'
import { envFile, envRoutes } from './env-routes.ts'

const directory = mkdtempSync(join(tmpdir(), 'imhotep-routes-'))
after(() => rmSync(directory, { recursive: true }))

const routes = envRoutes(directory, () => ({ own: 'postgres://app@new/lab', shared: 'postgres://mover@old/hospital' }))
const urlOf = (service: string) => readEnvFile(envFile(directory, service))['DATABASE_URL']

test('envRoutes: what the application used comes back with the way back, and not the login of the mover', async () => {
  writeFileSync(envFile(directory, 'lab'), 'DATABASE_URL=postgres://lab@old/hospital\n')

  for (let round = 0; round < 2; round++) {
    await routes.set('lab', 'own')
    await routes.set('lab', 'own')
    assert.equal(urlOf('lab'), 'postgres://app@new/lab')
    await routes.set('lab', 'shared')
    await routes.set('lab', 'shared')
    assert.equal(urlOf('lab'), 'postgres://lab@old/hospital')
  }
})

test('envRoutes: without a file the shared database is where the move came from', async () => {
  await routes.set('auth', 'own')
  assert.equal(urlOf('auth'), 'postgres://app@new/lab')
  await routes.set('auth', 'shared')
  assert.equal(urlOf('auth'), 'postgres://mover@old/hospital')
})
