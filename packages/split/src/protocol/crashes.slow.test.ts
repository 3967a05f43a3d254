import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { emptyDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { Ledger } from '../ledger/ledger.ts'
import { ModelProcess } from './model.fixture.ts'
import type { Move } from './move.ts'
import { recover } from './recover.ts'
import { run } from './run.ts'
import { cancel, retire, revert } from './way-back.ts'
import { World } from './world.fixture.ts'

/** What an operator may ask for, in the order of a whole life. */
const life: readonly ((move: Move) => Promise<unknown>)[] = [
  async (move) => (await run(move, 'copying'), cancel(move, await move.ledger.read('lab'))),
  async (move) => {
    const { reverse, entry } = await run(move, 'reversible')
    assert.ok(reverse)
    try {
      await revert(move, entry, reverse)
    } finally {
      await reverse.stop()
    }
  },
  async (move) => {
    const { reverse, entry } = await run(move, 'reversible')
    await reverse?.stop()
    await retire(move, entry)
  },
]

describe('protocol: a process that dies at any call', () => {
  let database: TestDatabase
  let ledger: Ledger

  before(async () => {
    database = await emptyDatabase()
    ledger = await Ledger.open(database.url, 'shared')
  })
  after(async () => {
    await ledger.close()
    await database.drop()
  })

  for (const [chapter, live] of life.entries()) {
    const title = ['cancelled copy', 'switch and revert', 'switch and retirement'][chapter] as string

    test(`${title}: is recovered, and no row is lost or doubled`, async () => {
      let crashes = 0
      for (let crashAt = 1; ; crashAt += 1) {
        await ledger.forget('lab')
        await ledger.enter('lab')
        const world = new World()
        const victim = new ModelProcess(crashAt, world.tick)
        const died = await live(world.moveOf(ledger, victim)).then(
          () => false,
          (error: unknown) => {
            if (!victim.isDead) throw error
            return true
          },
        )
        await ledger.unlock('lab')

        const survivor = world.moveOf(ledger, new ModelProcess(Infinity, world.tick))
        const { state } = await recover(survivor)
        world.check(state)
        if (state !== 'retired' && state !== 'reversible') {
          const { reverse, entry } = await run(survivor, 'reversible')
          await reverse?.stop()
          world.check(entry.state)
        }
        if (!died) break
        crashes += 1
      }
      assert.ok(crashes > 40, `only ${crashes} places to die at`)
    })
  }
})
