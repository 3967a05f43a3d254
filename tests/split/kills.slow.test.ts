import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import { test, type TestContext } from 'node:test'
import { serves, states, type State } from '@imhotep/split'
import { needsMariadb } from '../support/mariadb.ts'
import { move, type Action, type Blow, type Outcome } from './kills/mover.ts'
import { services } from './kills/shared-schema.ts'
import { openWorld, type World } from './kills/world.ts'
import { hash } from './nilecare/random.ts'

const rounds = Number(process.env['IMHOTEP_SPLIT_KILLS'] ?? 14)
const seed = Number(process.env['IMHOTEP_SPLIT_SEED'] ?? 20_261_126)

const goals: Readonly<Record<Action, State>> = { run: 'reversible', cancel: 'cancelled', revert: 'reverted' }

/** States that an action goes through; a blow falls before or after it has come to one of them. */
const ways: Readonly<Record<Action, readonly State[]>> = {
  run: states.slice(states.indexOf('cleared'), states.indexOf('reversible') + 1),
  cancel: ['cancelled'],
  revert: ['reverting', 'reverted'],
}

for (const kind of ['postgres', 'mariadb'] as const) {
  void test(
    `Split: whatever of ${kind} -> postgres is killed at whatever moment, no row is lost or doubled (${rounds} kills)`,
    { skip: kind === 'mariadb' && needsMariadb, timeout: 3_600_000 },
    async (context) => {
      await using world = await openWorld(kind)
      const kills = new Kills(world, seed, context)

      while (kills.struck < rounds) await kills.round()

      context.diagnostic(`seed ${seed}: ${JSON.stringify(kills.summary())}`)
    },
  )
}

/** Moves services to and fro; in each round something dies, is started again, and the goal is reached all the same. */
class Kills {
  readonly #world: World
  readonly #seed: number
  readonly #context: TestContext
  #drawn = 0
  #rounds = 0
  struck = 0
  readonly #victims = new Map<string, number>()
  readonly #steps = new Map<string, number>()
  #commits = 0

  constructor(world: World, seed: number, context: TestContext) {
    this.#world = world
    this.#seed = seed
    this.#context = context
  }

  summary() {
    const sorted = (counts: Map<string, number>) =>
      Object.fromEntries([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    return {
      rounds: this.#rounds,
      struck: this.struck,
      commits: this.#commits,
      victims: sorted(this.#victims),
      steps: sorted(this.#steps),
    }
  }

  async round(): Promise<void> {
    this.#rounds += 1
    const service = services[this.#draw(services.length)] as string
    let action: Action = (await this.#world.state(service)) === 'reversible' ? 'revert' : 'run'
    const writer = this.#world.write()
    try {
      await this.#strike(service, action)
      const state = (await this.#world.state(service)) as State
      const isUnderWay = serves(state) === 'shared' && state !== 'reverted'
      if (action === 'run' && isUnderWay && this.#draw(3) === 0) action = 'cancel'
      if (this.#draw(3) === 0) await this.#strike(service, action)
      const { outcome } = await move(this.#job(service, action))
      assert.deepEqual(outcome, { kind: 'done', state: goals[action] }, this.#where(service, action))
      await this.#checkOnlyOneServes(service)
    } finally {
      const report = await writer.stop().catch((error: unknown) => {
        throw new Error(`${this.#where(service, action)}: the writer failed`, { cause: error })
      })
      this.#commits += report.commits
    }
    const { problems } = await writer.checkJournal()
    assert.deepEqual(problems, [], this.#where(service, action))
    for (const each of services)
      assert.equal(await this.#world.seeds(each), '600 180300', `${each}: rows that were there`)
  }

  async #strike(service: string, action: Action): Promise<void> {
    const blow = this.#blow(action)
    const { outcome, struck } = await move(this.#job(service, action), blow)
    assert.notEqual(outcome.kind, 'hangs', `${this.#where(service, action)} ${JSON.stringify({ blow, outcome })}`)
    if (struck) {
      this.struck += 1
      count(this.#victims, blow.victim)
      count(this.#steps, blow.step)
    }
    const state = (await this.#world.state(service)) as State
    this.#say(
      `${this.#rounds} ${service} ${action}: ${blow.victim} ${blow.delayMs} ms after '${blow.step}'${struck ? '' : ' (not reached)'}: ${textOf(outcome)}, ${state}`,
    )
    await this.#checkServing(service, state)
  }

  /** What the ledger promises, also before anybody has repaired anything. */
  async #checkServing(service: string, state: State): Promise<void> {
    const [shared, own] = [await this.#world.accepts(service, 'shared'), await this.#world.accepts(service, 'own')]
    const where = `${service} is ${state}: shared ${shared}, own ${own}`
    if (['mapped', 'cleared'].includes(state)) return
    assert.ok(!(shared && own), `both serve: ${where}`)
    if (serves(state) === 'own') assert.equal(shared, false, where)
    if (['provisioned', 'copying'].includes(state)) assert.equal(shared, true, where)
  }

  async #checkOnlyOneServes(service: string): Promise<void> {
    const state = (await this.#world.state(service)) as State
    const shared = await this.#world.accepts(service, 'shared')
    const own = await this.#world.accepts(service, 'own')
    const isOwn = serves(state) === 'own'
    assert.equal(shared, !isOwn, `${service} is ${state}: the shared database`)
    assert.equal(own ?? false, isOwn, `${service} is ${state}: its own database`)
  }

  #blow(action: Action): Blow & { readonly victim: string } {
    const way = ways[action]
    const state = way[this.#draw(way.length)]
    const step =
      this.#draw(12) === 0 && action === 'run' ? 'begin' : `${this.#draw(2) === 0 ? 'before' : 'after'} ${state}`
    // most steps take few milliseconds, some a second
    const delayMs = Math.floor(Math.exp((this.#draw(1000) / 1000) * 6.5)) - 1
    const victim = ['process', 'process', 'source', 'target'][this.#draw(4)] as 'process' | 'source' | 'target'
    const blow = { step, delayMs, victim }
    return victim === 'process' ? blow : { ...blow, server: () => this.#world[victim].killAndStart() }
  }

  #job(service: string, action: Action) {
    return { service, action, settings: this.#world.settings }
  }

  #where(service: string, action: Action): string {
    return `seed ${this.#seed}, round ${this.#rounds}, ${service} ${action}`
  }

  #say(text: string): void {
    this.#context.diagnostic(text)
    const file = process.env['IMHOTEP_SPLIT_KILLS_LOG']
    if (file !== undefined) appendFileSync(file, `${text}\n`)
  }

  #draw(below: number): number {
    return hash(this.#seed, this.#drawn++) % below
  }
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

function textOf(outcome: Outcome): string {
  return outcome.kind === 'failed' ? `failed ${outcome.code} ${outcome.message.slice(0, 120)}` : outcome.kind
}
