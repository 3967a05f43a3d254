import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Secret } from '@imhotep/base'
import { credentialsFile, readCredentials, writeCredentials } from './credentials.ts'

const directory = mkdtempSync(join(tmpdir(), 'imhotep-credentials-'))
after(() => rmSync(directory, { recursive: true }))

test('writeCredentials: writes a file that only its owner can read', () => {
  const file = credentialsFile(join(directory, 'state'))
  const password = new Secret('made up')

  writeCredentials(file, { host: '127.0.0.1', port: 5432, database: 'imhotep', user: 'imhotep_app', password })

  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(readCredentials(file)?.password.reveal(), 'made up')
})

test('readCredentials: takes a damaged file for none', () => {
  const file = join(directory, 'damaged.json')
  writeFileSync(file, '{"host": "127')

  assert.equal(readCredentials(file), null)
})
