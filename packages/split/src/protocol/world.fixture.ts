import assert from 'node:assert/strict'
import type { Ledger } from '../ledger/ledger.ts'
import { serves, type State } from '../ledger/states.ts'
import type { MovedTable, Row } from '../model.ts'
import { ModelServer, modelSide, type ModelProcess } from './model.fixture.ts'
import { defaultOptions, type Move } from './move.ts'

const table: MovedTable = {
  source: { schema: 'shared', name: 'orders' },
  target: { schema: 'public', name: 'orders' },
  columns: ['id', 'note'].map((name) => ({ name, sourceType: 'text', targetType: 'text', nullable: false })),
  key: ['id'],
}

/** Two servers, a route between them and a client who writes at every call that the mover makes. */
export class World {
  readonly shared = new ModelServer()
  readonly own = new ModelServer()
  route: 'shared' | 'own' = 'shared'
  readonly journal = new Map<string, Row>()
  #writes = 0

  constructor() {
    this.own.exists = false
    for (let index = 0; index < 25; index += 1) this.#write()
  }

  readonly tick = (): void => {
    const isOpen = ({ isFenced, exists, isSetAside }: ModelServer) => exists && !isFenced && !isSetAside
    assert.ok(!(isOpen(this.shared) && isOpen(this.own)), 'both databases take writes at the same time')
    this.#write()
  }

  #write(): void {
    this.#writes += 1
    const key = `k${String((this.#writes * 7) % 40).padStart(2, '0')}`
    const row = this.#writes % 5 === 0 ? null : [key, `note ${this.#writes}`]
    if (row === null && !this.journal.has(key)) return
    if (!this[this.route].write(table, [{ key, row }])) return
    if (row === null) this.journal.delete(key)
    else this.journal.set(key, row)
  }

  /** What the serving database holds is what clients were told is stored. */
  check(state: State): void {
    assert.equal(this.route, serves(state), `clients use the ${this.route} database of a service that is ${state}`)
    assert.deepEqual(sorted(this[this.route].rows), sorted(this.journal))
    assert.equal(this[this.route].isPrepared, false, 'the serving database keeps an index that only a switch needed')
  }

  moveOf(ledger: Ledger, process: ModelProcess): Move {
    const { own } = this
    return {
      service: 'lab',
      source: modelSide(this.shared, process),
      target: modelSide(own, process),
      tables: [table],
      reference: [],
      common: [],
      returnCommon: async () => {},
      crossingKeys: [],
      innerKeys: [],
      roomObstacles: async () => [],
      looseKeys: { watchShared: async () => {}, watchOwn: async () => {}, settle: async () => {} },
      ownerOf: () => 'lab',
      ledger: dying(ledger, process),
      routes: {
        set: (_, where) =>
          process.call(() => {
            this.route = where
          }),
      },
      schema: {
        createTables: () =>
          process.call(() => {
            if (own.exists) return
            own.exists = true
            // tables are made with their fence in one transaction
            own.isFenced = true
          }),
        createKeys: () => process.call(() => {}),
        prepare: () => process.call(() => {}),
        grant: () => process.call(() => {}),
        drop: () =>
          process.call(() => {
            own.exists = false
            own.rows.clear()
            own.applied.clear()
            own.loaded = { rows: 0, last: null, complete: false }
          }),
      },
      options: { ...defaultOptions, chunkRows: 7, throttle: 0 },
      signal: new AbortController().signal,
      say: () => {},
    }
  }
}

function sorted(rows: ReadonlyMap<string, Row>) {
  return [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1))
}

/** The ledger as a process sees it that may die before or after each change. */
function dying(ledger: Ledger, process: ModelProcess): Ledger {
  return new Proxy(ledger, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return async (...args: unknown[]) => {
        if (name === 'unlock') return Reflect.apply(value, target, args) as unknown
        process.step()
        const result: unknown = await (Reflect.apply(value, target, args) as Promise<unknown>)
        process.step()
        return result
      }
    },
  })
}
