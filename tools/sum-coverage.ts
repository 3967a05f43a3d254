// Sums up what other processes wrote with NODE_V8_COVERAGE: run with --experimental-test-coverage, node adds the files that
// lie in its own coverage directory at its end.
import assert from 'node:assert/strict'
import { cp, readdir } from 'node:fs/promises'
import { test } from 'node:test'

test('coverage: processes wrote which lines they ran', async () => {
  const [, , written = ''] = process.argv
  const own = process.env['NODE_V8_COVERAGE'] ?? ''

  await cp(written, own, { recursive: true })

  assert.ok((await readdir(own)).length > 0)
})
