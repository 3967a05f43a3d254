import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addTrigger, grant, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import type { Table } from '../../catalog/model.ts'
import { appendOnly } from './append-only.ts'

test('append-only: finds a missing trigger where the comment promises one', () => {
  const catalog = soundCatalog((_, things) => {
    things.comment = 'class=operational;scope=tenant;append_only=1;about=Log.'
  })

  const messages = messagesOf(appendOnly, catalog)

  assert.match(messages.join('\n'), /no enabled trigger refuses truncate/)
})

test('append-only: finds that one of the two triggers was taken away', () => {
  const catalog = soundCatalog((_, things) => {
    addTrigger(things, 'no_truncate', { events: ['truncate'], level: 'statement' })
  })

  const messages = messagesOf(appendOnly, catalog)

  assert.match(messages.join('\n'), /no enabled trigger refuses delete/)
})

test('append-only: finds a disabled trigger', () => {
  const catalog = soundCatalog((_, things) => {
    guarded(things)
    addTrigger(things, 'append_only', { events: ['delete', 'update'], enabled: 'disabled' })
  })

  const messages = messagesOf(appendOnly, catalog)

  assert.match(messages.join('\n'), /refuses update/)
})

test('append-only: finds a grant to change rows', () => {
  const catalog = soundCatalog((_, things) => {
    guarded(things)
    things.grants.push(grant('a_app', 'UPDATE'))
  })

  const messages = messagesOf(appendOnly, catalog)

  assert.match(messages.join('\n'), /a_app holds update/)
})

test('append-only: accepts the triggers with insert and select granted', () => {
  const catalog = soundCatalog((_, things) => {
    guarded(things)
    things.grants.push(grant('a_app', 'INSERT'), grant('a_app', 'SELECT'))
  })

  const messages = messagesOf(appendOnly, catalog)

  assert.deepEqual(messages, [])
})

function guarded(things: Table): void {
  addTrigger(things, 'append_only', { events: ['delete', 'update'] })
  addTrigger(things, 'no_truncate', { events: ['truncate'], level: 'statement' })
}
