import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { logicalDatabase } from '../../../../tests/support/logical-server.ts'
import { dropOrigin, originName, standUnderOrigin } from './origin.ts'
import { openSession, withSession } from './session.ts'

test('dropOrigin: waits for the session that stands under it to be gone', async () => {
  await using database = await logicalDatabase('origins')
  const log = 'fwd'
  const writer = await openSession(database.url)
  await standUnderOrigin(writer, database.url, log)

  await withSession(database.url, async (session) => {
    const dropping = dropOrigin(session, database.url, log)
    await sleep(200)
    await writer.release()
    await dropping

    const left = await session.query('select pg_replication_origin_oid($1) as oid', [originName(database.url, log)])
    assert.deepEqual(left, [{ oid: null }])
  })
})
