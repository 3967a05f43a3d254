import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeFailure } from './failure.ts'

for (const code of ['ENOENT', 'EEXIST', 'ENOTDIR', 'EISDIR']) {
  test(`describeFailure: ${code} is a file that is in the way, with a hint`, () => {
    const failure = describeFailure(Object.assign(new Error(`${code}: no`), { code }), false)

    assert.equal(failure.code, 'IMH_FILE')
    assert.equal(failure.exitCode, 2)
    assert.ok(failure.hint)
  })
}
