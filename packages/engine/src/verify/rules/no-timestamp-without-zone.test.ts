import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addColumn, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { noTimestampWithoutZone } from './no-timestamp-without-zone.ts'

test('no-timestamp-without-zone: finds a timestamp without a zone', () => {
  const catalog = soundCatalog((_, things) => {
    addColumn(things, 'at', 'timestamp without time zone')
  })

  const messages = messagesOf(noTimestampWithoutZone, catalog)

  assert.match(messages.join('\n'), /a\.things.at is timestamp without time zone/)
})

test('no-timestamp-without-zone: finds a range of them', () => {
  const catalog = soundCatalog((_, things) => {
    addColumn(things, 'during', 'tsrange')
  })

  const messages = messagesOf(noTimestampWithoutZone, catalog)

  assert.match(messages.join('\n'), /a\.things.during is tsrange/)
})

test('no-timestamp-without-zone: accepts instants, days and times of day', () => {
  const catalog = soundCatalog((_, things) => {
    addColumn(things, 'at', 'timestamp with time zone')
    addColumn(things, 'on', 'date')
    addColumn(things, 'opens', 'time without time zone')
  })

  const messages = messagesOf(noTimestampWithoutZone, catalog)

  assert.deepEqual(messages, [])
})
