import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { contextKey } from './context-key.ts'

test('contextKey: reads name and secret, and tells what is no key without repeating it', () => {
  const secret = randomBytes(32)

  assert.deepEqual(contextKey({ IMHOTEP_CONTEXT_KEY: `2026-11:${secret.toString('hex')}` }), { kid: '2026-11', secret })
  assert.equal(contextKey({}), undefined)
  for (const text of ['2026-11', `:${secret.toString('hex')}`, '2026-11:abcd', `2026-11:${secret.toString('base64')}`])
    assert.throws(() => contextKey({ IMHOTEP_CONTEXT_KEY: text }), {
      code: 'IMH_USAGE',
      message: 'IMHOTEP_CONTEXT_KEY holds no key',
    })
})
