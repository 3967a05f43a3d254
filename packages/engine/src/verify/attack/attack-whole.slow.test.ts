import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { countRows } from '../../../../../tests/support/count-rows.ts'
import { demoDatabase } from '../../../../../tests/support/database.ts'
import { readCatalog } from '../../catalog/live.ts'
import { attackDatabase } from './attack-database.ts'

test('attackDatabase: gets nowhere on a sound database and leaves it as it was', async () => {
  await using database = await demoDatabase()
  const db = connect(database.url)
  try {
    const before = await countRows(db)

    const report = await attackDatabase(db, await readCatalog(db), { mode: 'full' })

    assert.deepEqual(report.through, [])
    assert.ok(report.attempts > 1000, `${report.attempts} attempts`)
    assert.deepEqual(await countRows(db), before)
  } finally {
    await db.close()
  }
})
