import { createHash } from 'node:crypto'
import type { PublishedTable } from '@imhotep/engine'
import { refreshProjections } from '../modules/refresh-projections.ts'
import type { OneAtATime } from '../one-at-a-time.ts'
import { applyEvents, eventsSince, originOf, snapshotOf, type EntityEvent } from './entity-events.ts'
import { noteHeard, readHeard, type Heard } from './heard.ts'
import { requireSuperuser, type Peer } from './peer.ts'

const batch = 2_000
const lookForTenantsMs = 5_000
/** Nothing else tells how far it is when there was nothing to keep. */
const noteAnywayMs = 600_000

/** A service that keeps something of another one's tables, and listens to its events. */
export class Listener {
  readonly reader: Peer
  readonly owner: Peer
  readonly #keeps: readonly PublishedTable[]
  readonly #tables: readonly string[]
  readonly #kept: string
  readonly #lookAlone: OneAtATime
  #heard: Heard | null = null
  #lookedAt = 0
  #notedAt = 0

  /** @param lookAlone runs one look at a time: it may take long, and sessions of its own */
  constructor(reader: Peer, owner: Peer, keeps: readonly PublishedTable[], lookAlone: OneAtATime) {
    this.reader = reader
    this.owner = owner
    this.#keeps = keeps
    this.#lookAlone = lookAlone
    this.#tables = keeps.map(({ table }) => table)
    this.#kept = createHash('sha256').update(JSON.stringify(keeps)).digest('hex')
  }

  /** Hears all that there is, and returns how many rows of what is kept that changed. */
  async hear(signal: AbortSignal): Promise<number> {
    try {
      let rows = 0
      if (this.#heard === null || Date.now() - this.#lookedAt > lookForTenantsMs) rows += await this.#look()
      return rows + (await this.#listen(signal))
    } catch (error) {
      // Whatever answers next time may be another database.
      this.#heard = null
      throw error
    }
  }

  /**
   * Looks at the owner's tables where events are not enough: at everything where it has heard nothing yet, of another
   * database, of other tables, or too long ago; else at the rows of tenants that are new here.
   */
  async #look(): Promise<number> {
    const heard = this.#heard ?? (await this.#begin())
    const all = await this.reader.db.query<{ id: string }>('select id from core.tenants order by id')
    const tenants = all.map(({ id }) => id)
    const unknown = tenants.filter((tenant) => !heard.tenants.includes(tenant))
    const now = { ...heard, tenants }
    let rows = 0
    if (unknown.length > 0) {
      const options = { tenants: unknown, startsOver: heard.tenants.length === 0 }
      rows = await this.#lookAlone(() =>
        refreshProjections(this.reader.db.url, this.#keeps, () => this.owner.db.url, options),
      )
      await noteHeard(this.reader.db, now)
    }
    this.#heard = now
    this.#lookedAt = Date.now()
    return rows
  }

  /** What it had heard before; nobody's rows yet where that counts no more. */
  async #begin(): Promise<Heard> {
    for (const peer of [this.reader, this.owner]) await requireSuperuser(peer)
    const origin = await originOf(this.owner.db)
    const before = await readHeard(this.reader.db, this.owner.name)
    if (before?.origin === origin && before.kept === this.#kept) return before
    const snapshot = await snapshotOf(this.owner.db)
    return { owner: this.owner.name, origin, kept: this.#kept, tenants: [], snapshot }
  }

  async #listen(signal: AbortSignal): Promise<number> {
    const heard = this.#heard as Heard
    const query = { since: heard.snapshot, tables: this.#tables, limit: batch }
    const { snapshot, ...first } = await eventsSince(this.owner.db, query)
    let rows = 0
    let { events } = first
    while (events.length === batch) {
      if (signal.aborted) return rows
      rows += await this.#keep(heard, events)
      ;({ events } = await eventsSince(this.owner.db, { ...query, after: events.at(-1) }))
    }
    this.#heard = { ...heard, snapshot }
    return rows + (await this.#keep(this.#heard, events))
  }

  /** Keeps what was told, and notes how far it has heard by that. */
  async #keep(heard: Heard, events: readonly EntityEvent[]): Promise<number> {
    const kept = events.filter(({ tenant }) => heard.tenants.includes(tenant))
    if (kept.length === 0 && Date.now() - this.#notedAt < noteAnywayMs) return 0
    const rows = await this.reader.db.transaction(async (tx) => {
      const changed = await applyEvents(tx, heard.owner, kept)
      await noteHeard(tx, heard)
      return changed
    })
    this.#notedAt = Date.now()
    return rows
  }
}
