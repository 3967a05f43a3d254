import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addConstraint, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import type { Constraint } from '../../catalog/model.ts'
import { foreignKeyAction } from './foreign-key-action.ts'

const withKey = (onDelete: Constraint['onDelete']) =>
  soundCatalog((_, things) => addConstraint(things, 'things_fkey', 'foreign key', ['id'], { onDelete }))

test('foreign-key-action: finds a key that leaves it open', () => {
  const messages = messagesOf(foreignKeyAction, withKey('no action'))

  assert.deepEqual(messages, ['foreign key things_fkey of a.things does not say what a delete does'])
})

test('foreign-key-action: accepts a key that says it', () => {
  for (const action of ['restrict', 'cascade', 'set null'] as const)
    assert.deepEqual(messagesOf(foreignKeyAction, withKey(action)), [])
})
