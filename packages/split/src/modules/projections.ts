import type { Database } from '@imhotep/postgres'
import { WrongStateError } from '../ledger/errors.ts'
import { hasTables, serves, type State } from '../ledger/states.ts'
import type { KeptTable, ServicePlan } from '../plan/split-plan.ts'
import { changedRows, forgetRows, unwatchRows, watchRows } from './changed-rows.ts'
import { refreshProjections, type LookOptions } from './refresh-projections.ts'

const batch = 5_000

/** Where the databases of a split are, and how far its services. */
export interface ProjectionWorld {
  readonly services: readonly ServicePlan[]
  readonly sharedUrl: string
  readonly urlOf: (database: string) => string
  /** A pool of few connections. */
  readonly poolOf: (url: string) => Database
  readonly states: () => Promise<ReadonlyMap<string, State>>
}

/** A database in which clients change rows that others keep. */
interface Home {
  readonly url: string
  /** Services whose rows are there. */
  readonly owners: readonly string[]
  /** Clients have left it: what they changed last may still have to be told. */
  readonly isOver: boolean
}

/** What services of our own modules keep of each other's rows, told of changes until a relay hands them events. */
export class Projections {
  readonly #world: ProjectionWorld

  constructor(world: ProjectionWorld) {
    this.#world = world
  }

  /** Fills what a service keeps of all others, before its clients come. */
  async fill(service: ServicePlan): Promise<void> {
    await this.tell()
    await this.#refresh(service, await this.#world.states())
  }

  /** Remembers from now on what clients of a service's own database change. */
  async watchOwn({ name, database }: ServicePlan): Promise<void> {
    await watchRows(this.#world.urlOf(database), this.#keptOf([name]))
  }

  /**
   * Tells services what others changed from the last time until now, and returns how many of the kept rows that changed. Where
   * changes were not remembered it looks at everything.
   */
  async tell(): Promise<number> {
    let rows = 0
    for (const home of await this.#homes()) {
      const db = this.#world.poolOf(home.url)
      for (;;) {
        const changed = await changedRows(db, batch)
        if (changed === null && home.isOver) break
        if (changed === null) await watchRows(home.url, this.#keptOf(home.owners))
        else if (changed.length === 0) break
        rows += await this.#look(home.owners, changed ? { changed } : {})
        if (changed) await forgetRows(db, changed)
        // What is changed meanwhile is for the next time: where somebody always writes, this would never end.
        if (changed && changed.length < batch) break
      }
    }
    return rows
  }

  /** The owner is back in the shared database, where it writes no events: what they told is looked at again. */
  async returned(owner: string): Promise<void> {
    await this.#look([owner], { isReturn: true })
  }

  /** Takes the triggers out of the shared database, when no service is away or on its way. */
  async end(): Promise<void> {
    const { services, sharedUrl } = this.#world
    await unwatchRows(sharedUrl, this.#keptOf(services.map(({ name }) => name)))
  }

  /**
   * Takes the triggers out of the databases of services: a relay hands them events from now on. Those of the shared database
   * go with its old tables.
   * @throws WrongStateError while a service has not left the shared database for good, where nobody writes events
   */
  async stop(): Promise<void> {
    const states = await this.#world.states()
    for (const { name } of this.#world.services) {
      const state = states.get(name) ?? 'mapped'
      if (state !== 'retired')
        throw new WrongStateError(name, state, 'do without follow', 'retire it: imhotep split retire')
    }
    for (const { url, owners } of await this.#homes()) await unwatchRows(url, this.#keptOf(owners))
  }

  async #homes(): Promise<Home[]> {
    const { services, sharedUrl, urlOf } = this.#world
    const states = await this.#world.states()
    const inShared = services.filter(({ name }) => states.get(name) !== 'retired')
    const homes = services.flatMap(({ name, database }): Home[] => {
      const isOver = states.get(name) === 'reverted'
      return isOver || serves(states.get(name)) === 'own' ? [{ url: urlOf(database), owners: [name], isOver }] : []
    })
    return [{ url: sharedUrl, owners: inShared.map(({ name }) => name), isOver: false }, ...homes].filter(
      ({ owners }) => this.#keptOf(owners).length > 0,
    )
  }

  /** What anybody keeps of the services' tables, each once. */
  #keptOf(owners: readonly string[]): KeptTable[] {
    const all = this.#world.services.flatMap(({ keeps }) => keeps.filter(({ owner }) => owners.includes(owner)))
    return [...new Map(all.map((kept) => [kept.table, kept])).values()]
  }

  /** Looks at what the owners hold now, for everybody who keeps something of it. */
  async #look(owners: readonly string[], options: LookOptions): Promise<number> {
    // Asked behind the changes: whose rows are not copied yet looks later than they were remembered.
    const states = await this.#world.states()
    let rows = 0
    for (const reader of this.#world.services.filter(({ name }) => hasTables(states.get(name)))) {
      const keeps = reader.keeps.filter(({ owner }) => owners.includes(owner))
      try {
        rows += await this.#refresh({ ...reader, keeps }, states, options)
      } catch (error) {
        const now = await this.#world.states()
        // its move was cancelled meanwhile, and its database is gone
        if (hasTables(now.get(reader.name))) throw error
      }
    }
    return rows
  }

  #refresh({ database, keeps }: ServicePlan, states: ReadonlyMap<string, State>, options: LookOptions = {}) {
    const { services, sharedUrl, urlOf } = this.#world
    const homeOf = (owner: string) => {
      const home = services.find(({ name }) => name === owner)
      return home && serves(states.get(owner)) === 'own' ? urlOf(home.database) : sharedUrl
    }
    return refreshProjections(urlOf(database), keeps, homeOf, options)
  }
}
