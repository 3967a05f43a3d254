import { setTimeout as pause } from 'node:timers/promises'
import { connect, type Connection, type Database } from '@imhotep/postgres'
import type { OwnedForeignKey } from '../side.ts'
import type { Position } from '../model.ts'
import type { SplitPlan } from '../plan/split-plan.ts'
import { MoveUnderWayError, PlanInUseError, StateChangedError } from './errors.ts'
import { ledgerSchema } from './schema.ts'
import { atRest, type State } from './states.ts'

/** What a move must remember from one process to the next. */
export interface Detail {
  /** Foreign keys that crossed the border and were dropped: a cancelled move puts them back. */
  readonly droppedKeys?: readonly OwnedForeignKey[]
  /** Where the forward log begins. */
  readonly forwardFrom?: Position
  /** Where the log of the service's database begins, for the way back. */
  readonly reverseFrom?: Position
  /** The partitions of each table when the log of the way back began: it tells nothing of those that come or go. */
  readonly reverseParts?: Readonly<Record<string, string>>
  /** Of each table and its columns when the move began: DDL since then ends it. */
  readonly fingerprints?: Readonly<Record<string, string>>
  readonly verified?: VerifiedDetail
  /** Milliseconds between the fence and the opened route, as this process saw it. */
  readonly gapMs?: number
}

export interface VerifiedDetail {
  readonly at: string
  readonly tables: number
  readonly rows: number
  /** Of each table before it was compared; absent where the log tells of everything. */
  readonly files?: Readonly<Record<string, string>>
}

export interface ServiceEntry {
  readonly service: string
  readonly source: string
  readonly state: State
  readonly version: number
  readonly detail: Detail
  readonly enteredAt: Date
}

export interface HistoryEntry {
  readonly service: string
  readonly from: State | null
  readonly to: State
  readonly at: Date
  readonly by: string
}

const columns = `service, source, state, version, detail, entered_at as "enteredAt"`

/**
 * The states of all moves out of one shared database, in a database of its own on the server that the services move to.
 * `source` names the shared database: several may be split to one server.
 */
export class Ledger {
  readonly #db: Database
  readonly #source: string
  /** A lock is held by a session: ours, for as long as the process lives. */
  #locks: Connection | undefined

  private constructor(db: Database, source: string) {
    this.#db = db
    this.#source = source
  }

  /** Opens the ledger in the database of `url`, making its tables where they are missing. */
  static async open(url: string, source: string): Promise<Ledger> {
    const db = connect(url, { applicationName: 'imhotep split ledger', max: 3 })
    try {
      const connection = await db.dedicated()
      try {
        await connection.query(`select pg_advisory_lock(hashtext('imhotep split ledger schema'))`)
        await connection.script(ledgerSchema)
      } finally {
        await connection.release()
      }
      return new Ledger(db, source)
    } catch (error) {
      await db.close()
      throw error
    }
  }

  /** The shared databases that there is a plan for. */
  async sources(): Promise<string[]> {
    const rows = await this.#db.query<{ source: string }>('select source from ledger.plans order by 1')
    return rows.map(({ source }) => source)
  }

  /** What was decided for the shared database; null before. */
  async plan(): Promise<SplitPlan | null> {
    const [row] = await this.#db.query<{ plan: SplitPlan }>('select plan from ledger.plans where source = $1', [
      this.#source,
    ])
    return row?.plan ?? null
  }

  /**
   * Decides anew, and enters the services; those that are retired and part of the new plan stay as they are.
   * @throws PlanInUseError when another service is on its way, or there, under the plan that is there
   */
  async savePlan(plan: SplitPlan, retired: readonly string[] = []): Promise<void> {
    await this.#db.transaction(async (tx) => {
      await tx.query('lock table ledger.services in share row exclusive mode')
      const moving = await tx.query<{ service: string; state: State }>(
        `select service, state from ledger.services
          where source = $1 and state <> all ($3)
            and not (state = 'retired' and service = any ($2))`,
        [this.#source, retired, atRest],
      )
      if (moving.length > 0) throw new PlanInUseError(moving.map(({ service, state }) => `${service} (${state})`))
      await tx.query('delete from ledger.services where source = $1 and service <> all ($2)', [this.#source, retired])
      await tx.query(
        `insert into ledger.plans (source, plan) values ($1, $2)
         on conflict (source) do update set plan = excluded.plan, planned_at = clock_timestamp()`,
        [this.#source, plan],
      )
      await tx.query('insert into ledger.services (service, source) select unnest($1::text[]), $2', [
        plan.services.map(({ name }) => name).filter((name) => !retired.includes(name)),
        this.#source,
      ])
    })
  }

  /** Enters a service as mapped, unless it is there. */
  async enter(service: string): Promise<ServiceEntry> {
    await this.#db.query('insert into ledger.services (source, service) values ($1, $2) on conflict do nothing', [
      this.#source,
      service,
    ])
    return this.read(service)
  }

  async read(service: string): Promise<ServiceEntry> {
    const entry = (await this.all()).find((one) => one.service === service)
    if (!entry) throw new StateChangedError(service, 'not entered')
    return entry
  }

  all(): Promise<ServiceEntry[]> {
    return this.#db.query<ServiceEntry>(`select ${columns} from ledger.services where source = $1 order by service`, [
      this.#source,
    ])
  }

  history(): Promise<HistoryEntry[]> {
    return this.#db.query<HistoryEntry>(
      'select service, from_state as "from", to_state as "to", at, by from ledger.history where source = $1 order by id',
      [this.#source],
    )
  }

  /**
   * Takes the service to the next state and merges `detail`, if it is still what `entry` says.
   * @throws StateChangedError when another process was there first
   * @throws IllegalTransitionError (IM001) when the step leaves the path
   */
  async advance(entry: ServiceEntry, to: State, detail: Detail = {}): Promise<ServiceEntry> {
    const [next] = await this.#db.query<ServiceEntry>(
      `update ledger.services set state = $3, detail = detail || $4::jsonb
       where source = $5 and service = $1 and version = $2 returning ${columns}`,
      [entry.service, entry.version, to, JSON.stringify(detail), this.#source],
    )
    if (!next) throw new StateChangedError(entry.service, entry.state)
    return next
  }

  /** Lets a service that was cancelled or reverted begin anew, with nothing remembered. */
  async restart(entry: ServiceEntry): Promise<ServiceEntry> {
    const [next] = await this.#db.query<ServiceEntry>(
      `update ledger.services set state = 'mapped', detail = '{}'
       where source = $3 and service = $1 and version = $2 returning ${columns}`,
      [entry.service, entry.version, this.#source],
    )
    if (!next) throw new StateChangedError(entry.service, entry.state)
    return next
  }

  /** Merges facts without a change of state. */
  note(entry: ServiceEntry, detail: Detail): Promise<ServiceEntry> {
    return this.advance(entry, entry.state, detail)
  }

  /**
   * Makes this process the only one that moves the service, until `close`.
   * @throws MoveUnderWayError when another one does
   */
  async lock(service: string): Promise<void> {
    this.#locks ??= await this.#db.dedicated()
    // The session of a process that just died may live on for a moment.
    for (let attempt = 0; attempt < 20; attempt += 1) {
      const [row] = await this.#locks.query<{ locked: boolean }>(
        `select pg_try_advisory_lock(hashtext($2), hashtext($1)) as locked`,
        [service, this.#source],
      )
      if (row?.locked) return
      await pause(100)
    }
    throw new MoveUnderWayError(service)
  }

  async unlock(service: string): Promise<void> {
    await this.#locks?.query(`select pg_advisory_unlock(hashtext($2), hashtext($1))`, [service, this.#source])
  }

  /** Strikes the service from the ledger, with its history: its move is over or was never wanted. */
  async forget(service: string): Promise<void> {
    for (const table of ['services', 'history']) {
      await this.#db.query(`delete from ledger.${table} where source = $1 and service = $2`, [this.#source, service])
    }
  }

  async close(): Promise<void> {
    await this.#locks?.release()
    await this.#db.close()
  }
}
