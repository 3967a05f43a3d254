import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { readCatalog } from '@imhotep/engine'
import { connect } from '@imhotep/postgres'
import { hospitalDatabase } from '../../tests/support/database.ts'
import { coveragePage } from './coverage-page.ts'

test('coveragePage: every object and test that the list of requirements names exists', async () => {
  await using database = await hospitalDatabase()
  const db = connect(database.url)
  const catalog = await readCatalog(db)
  await db.close()

  const page = coveragePage(fileURLToPath(new URL('../..', import.meta.url)), catalog)

  assert.match(page, /^### H1$/m)
})
