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

test('a switch: its gap lasts from the attempt that stops clients to the route, not from what the fence prepares', async (t) => {
  const world = new World()
  const move = { ...world.moveOf(ledger, new ModelProcess(Infinity, world.tick)), service: 'gap' }
  await ledger.enter('gap')
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const fence: Move['source']['fence'] = async (name, tables, patience) => {
    now += 5000 // guards are made
    patience?.onAttempt?.()
    now += 300 // a client held a table
    patience?.onAttempt?.()
    now += 40
    return move.source.fence(name, tables, patience)
  }
  const set: Move['routes']['set'] = async (service, where) => {
    now += 7
    await move.routes.set(service, where)
  }
  const closeLog = async (log: string) => {
    now += 900
    await move.source.closeLog(log)
  }

  const { entry, reverse } = await run(
    { ...move, source: { ...move.source, fence, closeLog }, routes: { set } },
    'reversible',
  )
  await reverse?.stop()

  assert.equal(entry.detail.gapMs, 47)
})
