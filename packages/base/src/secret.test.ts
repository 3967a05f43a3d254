import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { Secret } from './secret.ts'

test('Secret: shows its value to reveal() only', () => {
  const secret = new Secret('hunter2')

  const shown = [
    String(secret),
    'in a text: '.concat(secret as unknown as string),
    JSON.stringify({ secret }),
    inspect({ secret }),
  ].join(' ')

  assert.ok(!shown.includes('hunter2'), shown)
  assert.equal(secret.reveal(), 'hunter2')
})
