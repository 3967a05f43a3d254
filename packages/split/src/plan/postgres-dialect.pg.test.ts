import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { AmbiguousKeyError } from '../errors.ts'
import { sharedTable } from '../map/owner-map.fixture.ts'
import { postgresDialect } from './postgres-dialect.ts'

test('postgresDialect: refuses a declared key that several rows share, and says how many', async () => {
  await using database = await emptyDatabase()
  const db = connect(database.url)
  await db.query('create table public.visits as select n % 3 as a, n % 2 as b from generate_series(1, 6) n')
  await db.close()
  const table = sharedTable('visits', { schema: 'public', primaryKey: [] })
  const owned = (key: readonly string[]) => ({ table, owner: 'ward', copies: [], key, zeroDate: () => null })

  await assert.rejects(postgresDialect(database.url).moved([owned(['a'])]), (error) => {
    assert.ok(error instanceof AmbiguousKeyError)
    assert.match(error.message, /public\.visits \(a\): 3 rows/)
    return true
  })
  const { tables } = await postgresDialect(database.url).moved([owned(['a', 'b'])])
  assert.deepEqual(tables[0]?.key, ['a', 'b'])
})
