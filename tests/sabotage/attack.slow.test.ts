import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connect } from '@imhotep/postgres'
import type { VerifyContext } from '../../packages/engine/src/index.ts'
import { demoDatabase } from '../support/database.ts'
import { attackBehind, readContext } from './run-saboteur.ts'
import { saboteurs } from './saboteurs.ts'

describe('sabotage (attack)', () => {
  let context: VerifyContext
  let tried = 0
  let found = 0

  before(async () => {
    await using database = await demoDatabase()
    const db = connect(database.url)
    context = await readContext(db)
    await db.close()
  })

  after(() => console.log(`sabotage: ${found} of ${tried} found by the attack`))

  for (const saboteur of saboteurs.filter(({ showsInAttack }) => showsInAttack)) {
    test(`the attack gets through "${saboteur.name}" wherever there are rows`, async () => {
      await using database = await demoDatabase()
      const db = connect(database.url)

      const result = await attackBehind(db, saboteur, context).finally(() => db.close())

      tried += (result.foundByAttack ?? 0) + result.missedByAttack.length
      found += result.foundByAttack ?? 0
      assert.ok((result.foundByAttack ?? 0) > 0, 'the attack found nothing at all')
      assert.deepEqual(result.missedByAttack, [])
      assert.deepEqual(result.missed, [])
    })
  }
})
