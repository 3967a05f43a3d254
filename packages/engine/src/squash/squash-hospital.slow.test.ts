import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connect } from '@imhotep/postgres'
import { emptyDatabase, testServer } from '../../../../tests/support/database.ts'
import { compareCatalogs } from '../catalog/compare.ts'
import { readLive, withScratch } from '../diff/scratch.ts'
import { applyMigrations } from '../migrate/apply-migrations.ts'
import { squashHistory } from './squash-history.ts'

const directory = fileURLToPath(new URL('../../../../db/migration', import.meta.url))

async function rowCounts(url: string, tables: Iterable<string>): Promise<Record<string, number>> {
  const db = connect(url, { max: 1 })
  try {
    const counts: Record<string, number> = {}
    for (const table of tables) {
      const [row] = await db.query<{ n: number }>(`select count(*)::int as n from ${table}`)
      if (table !== 'core.schema_migrations') counts[table] = row?.n ?? 0
    }
    return counts
  } finally {
    await db.close()
  }
}

test('squashHistory: the whole hospital schema, squashed, is the same schema with as many rows', async () => {
  await using long = await emptyDatabase()
  await using short = await emptyDatabase()
  const { file, text, rows } = await withScratch(await testServer(), (scratch) =>
    squashHistory({ directory, to: '001', scratch }),
  )

  await applyMigrations(long.url, { directory })
  await applyMigrations(short.url, { files: [{ path: file, text }] })

  const catalog = await readLive(long.url)
  assert.deepEqual(compareCatalogs(catalog, await readLive(short.url)), [])
  assert.ok(rows > 100)
  assert.deepEqual(await rowCounts(short.url, catalog.tables.keys()), await rowCounts(long.url, catalog.tables.keys()))
})
