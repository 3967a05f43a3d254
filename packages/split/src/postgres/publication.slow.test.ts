import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, DatabaseError } from '@imhotep/postgres'
import { logicalDatabase, runOn } from '../../../../tests/support/logical-server.ts'
import { publish, publishedTables, unpublish } from './publication.ts'
import { withSession } from './session.ts'

test('publication: comes and goes 500 times without an error of those who write its tables', async () => {
  await using shared = await logicalDatabase('published')
  // so many that what the server tells its backends of the end comes in parts
  const tables = Array.from({ length: 30 }, (_, at) => `"public"."t${at}"`)
  await runOn(shared.url, tables.map((table) => `create table ${table} (id int primary key, n int);`).join(''))
  await runOn(
    shared.url,
    tables.map((table) => `insert into ${table} select g, 0 from generate_series(1, 8) g;`).join(''),
  )
  const db = connect(shared.url, { max: 8 })
  const stop = new AbortController()
  const errors: string[] = []
  let commits = 0
  const write = async (id: number): Promise<void> => {
    for (let at = id; !stop.signal.aborted; at++) {
      const [first, second] = [tables[at % 30], tables[(at * 7) % 30]]
      await db
        .transaction(async (tx) => {
          await tx.query(`update ${first} set n = n + 1 where id = ${id}`)
          await tx.query(`update ${second} set n = n + 1 where id = ${id}`)
        })
        .then(
          () => commits++,
          (error: unknown) => errors.push(error instanceof DatabaseError ? error.message : String(error)),
        )
    }
  }
  const writers = Array.from({ length: 8 }, (_, at) => write(at + 1))

  await withSession(shared.url, async (session) => {
    for (let round = 0; round < 500; round++) {
      await publish(session, 'changes', tables, null)
      await unpublish(session, 'changes')
    }
    assert.equal(await publishedTables(session, 'changes'), null)
  })

  stop.abort()
  await Promise.all(writers)
  await db.close()
  assert.deepEqual(errors, [])
  assert.ok(commits > 1000, String(commits))
})
