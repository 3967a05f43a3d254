import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import type { VerifyContext } from '../../packages/engine/src/index.ts'
import { demoDatabase, type TestDatabase } from '../support/database.ts'
import { readContext, runSaboteur } from './run-saboteur.ts'
import { saboteurs } from './saboteurs.ts'

describe('sabotage (attack)', () => {
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
    console.log(`sabotage: ${found} of ${tried} found by the attack`)
    await db.close()
    await database.drop()
  })

  for (const saboteur of saboteurs.filter(({ showsInAttack }) => showsInAttack)) {
    test(`the attack gets through "${saboteur.name}" wherever there are rows`, async () => {
      const result = await runSaboteur(db, saboteur, context, { attack: true })

      tried += (result.foundByAttack ?? 0) + result.missedByAttack.length
      found += result.foundByAttack ?? 0
      assert.ok((result.foundByAttack ?? 0) > 0, 'the attack found nothing at all')
      assert.deepEqual(result.missedByAttack, [])
      assert.deepEqual(result.missed, [])
    })
  }
})
