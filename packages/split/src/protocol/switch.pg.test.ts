import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { emptyDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { Ledger } from '../ledger/ledger.ts'
import { ModelProcess } from './model.fixture.ts'
import type { Move } from './move.ts'
import { recover } from './recover.ts'
import { run } from './run.ts'
import { World } from './world.fixture.ts'

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

test('a switch: an index that it needed goes when clients are served, and with the next command where a report reads', async () => {
  await ledger.enter('lab')
  const world = new World()
  const said: string[] = []
  const move = world.moveOf(ledger, new ModelProcess(Infinity, world.tick))
  const states: string[] = []
  const busy: Move = {
    ...move,
    say: (text) => said.push(text),
    target: {
      ...move.target,
      unprepareSequences: async () => {
        assert.deepEqual([world.own.isFenced, world.route], [false, 'own'])
        states.push((await ledger.read('lab')).state)
        throw new Error('a report reads orders')
      },
    },
  }

  const { reverse } = await run(busy, 'reversible')
  await reverse?.stop()
  assert.deepEqual([states, world.own.isPrepared], [['reversible'], true])
  assert.match(said.at(-1) ?? '', /stays until the next command \(a report reads orders\)/)
  await recover(move)

  assert.equal(world.own.isPrepared, false)
  world.check('reversible')
})
