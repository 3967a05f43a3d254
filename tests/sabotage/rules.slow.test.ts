import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import type { VerifyContext } from '../../packages/engine/src/index.ts'
import { demoDatabase, type TestDatabase } from '../support/database.ts'
import { readContext, runSaboteur } from './run-saboteur.ts'
import { saboteurs } from './saboteurs.ts'

describe('sabotage (rules)', () => {
  let database: TestDatabase
  let db: Database
  let context: VerifyContext
  let tried = 0
  let found = 0

  before(async () => {
    database = await demoDatabase()
    db = connect(database.url)
    context = await readContext(db)
  })

  after(async () => {
    console.log(`sabotage: ${found} of ${tried} found by the rules`)
    await db.close()
    await database.drop()
  })

  for (const saboteur of saboteurs) {
    test(`the rules notice "${saboteur.name}" on every object`, async () => {
      const result = await runSaboteur(db, saboteur, context)

      tried += result.tried
      found += result.foundByRule
      assert.ok(result.tried > 0, 'there was nothing to break')
      assert.deepEqual(result.missed, [])
      assert.equal(result.foundByRule, result.tried)
    })
  }
})
