import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { readEnvFile, writeEnvFile } from './env-file.ts'

function folder() {
  const path = mkdtempSync(join(tmpdir(), 'env-file-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) }
}

test('writeEnvFile: what is written is what is read, whatever the values', () => {
  using directory = folder()
  const file = join(directory.path, 'lab.env')

  fc.assert(
    fc.property(
      fc.dictionary(fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,9}$/), fc.stringMatching(/^[^\n\r'\0]*$/)),
      (variables) => {
        rmSync(file, { force: true })
        writeEnvFile(file, variables)
        assert.deepEqual(readEnvFile(file), { ...variables })
      },
    ),
  )
})

test('writeEnvFile: keeps the lines of others, and the file as it was in a backup', () => {
  using directory = folder()
  const file = join(directory.path, 'lab.env')
  writeFileSync(file, '# ours\nPORT=8080\nDATABASE_URL=mysql://old\n', { mode: 0o600 })

  writeEnvFile(file, { DATABASE_URL: 'postgres://new' }, new Date('2026-01-02T03:04:05Z'))

  assert.equal(readFileSync(file, 'utf8'), '# ours\nPORT=8080\nDATABASE_URL=postgres://new\n')
  assert.equal(readFileSync(`${file}.20260102T030405Z.bak`, 'utf8'), '# ours\nPORT=8080\nDATABASE_URL=mysql://old\n')
  assert.equal(statSync(file).mode & 0o777, 0o600)
})

test('writeEnvFile: the application can still read its file when somebody else has changed it', () => {
  using directory = folder()
  const file = join(directory.path, 'lab.env')
  writeFileSync(file, 'PORT=8080\n')
  chmodSync(file, 0o640)
  // only root gives files away
  if (process.getuid?.() === 0) chownSync(file, 12_345, 12_346)
  const { uid, gid } = statSync(file)

  writeEnvFile(file, { DATABASE_URL: 'postgres://new' })

  const after = statSync(file)
  assert.deepEqual([after.uid, after.gid, after.mode & 0o777], [uid, gid, 0o640])
})

test('writeEnvFile: writing the same again leaves the file and makes no backup', () => {
  using directory = folder()
  const file = join(directory.path, 'lab.env')
  writeEnvFile(file, { DATABASE_URL: 'postgres://new' })

  writeEnvFile(file, { DATABASE_URL: 'postgres://new' })

  assert.deepEqual(readdirSync(directory.path), ['lab.env'])
})
