import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addConstraint, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { foreignKeyEnforced } from './foreign-key-enforced.ts'

const keyed = (disabledOn?: readonly string[]) =>
  soundCatalog((_, things) =>
    addConstraint(things, 'things_parent', 'foreign key', ['tenant_id', 'id'], {
      references: 'a.things',
      ...(disabledOn ? { disabledOn } : {}),
    }),
  )

test('foreign-key-enforced: finds a key whose triggers are switched off', () => {
  const messages = messagesOf(foreignKeyEnforced, keyed(['a.things']))

  assert.deepEqual(messages, [
    'foreign key things_parent of a.things is not enforced: its triggers on a.things are off',
  ])
})

test('foreign-key-enforced: is silent about a key that is enforced', () => {
  assert.deepEqual(messagesOf(foreignKeyEnforced, keyed()), [])
})
