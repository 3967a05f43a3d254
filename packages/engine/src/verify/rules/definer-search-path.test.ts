import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addFunction, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { definerSearchPath } from './definer-search-path.ts'

test('definer-search-path: finds a definer function that pins nothing', () => {
  const catalog = soundCatalog((catalog) => {
    addFunction(catalog, 'a', 'f', { settings: [] })
  })

  const messages = messagesOf(definerSearchPath, catalog)

  assert.match(messages.join('\n'), /does not pin search_path/)
})

test('definer-search-path: finds one that searches a writable schema', () => {
  const catalog = soundCatalog((catalog) => {
    addFunction(catalog, 'a', 'f', { settings: ['search_path=public, pg_temp'] })
  })

  const messages = messagesOf(definerSearchPath, catalog)

  assert.match(messages.join('\n'), /others can write to/)
})

test('definer-search-path: finds one that is owned by a superuser', () => {
  const catalog = soundCatalog((catalog) => {
    addFunction(catalog, 'a', 'f', { owner: 'postgres' })
  })

  const messages = messagesOf(definerSearchPath, catalog)

  assert.match(messages.join('\n'), /owned by postgres/)
})

for (const path of ['""', 'pg_catalog', 'pg_temp, pg_catalog'])
  test(`definer-search-path: finds ${path}, where a caller's temporary types come first`, () => {
    const catalog = soundCatalog((catalog) => {
      addFunction(catalog, 'a', 'f', { settings: [`search_path=${path}`] })
    })

    const messages = messagesOf(definerSearchPath, catalog)

    assert.match(messages.join('\n'), /others can write to/)
  })

test('definer-search-path: accepts pg_catalog with pg_temp behind it', () => {
  const catalog = soundCatalog((catalog) => {
    addFunction(catalog, 'a', 'f', { settings: ['search_path=pg_catalog, pg_temp'] })
  })

  const messages = messagesOf(definerSearchPath, catalog)

  assert.deepEqual(messages, [])
})

test('definer-search-path: is silent about functions that run as their caller', () => {
  const catalog = soundCatalog((catalog) => {
    addFunction(catalog, 'a', 'f', { securityDefiner: false, settings: [] })
  })

  const messages = messagesOf(definerSearchPath, catalog)

  assert.deepEqual(messages, [])
})
