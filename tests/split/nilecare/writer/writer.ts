import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { openClient, troubleOf, type Client } from './client.ts'
import { Gaps } from './gaps.ts'
import { isThere, record, sendChange, type Change, type JournalRow } from './journal.ts'
import { sameDatabase, type Location } from './location.ts'
import { writerTables, writtenTogether, type WriterTable } from './writer-tables.ts'

export interface WriterOptions {
  /** Where a service's tables live now; asked again whenever a write is refused or a connection breaks. */
  readonly route: (service: string) => Location | Promise<Location>
  /** Default: all that have tables. */
  readonly services?: readonly string[]
  /** Sessions that write at the same time, default 6. */
  readonly workers?: number
  /** Commits a second that it tries to reach, default 400. */
  readonly rate?: number
  /** Milliseconds after which a write that is refused again and again is a failure, default 60,000. */
  readonly patience?: number
}

export interface WriterReport {
  readonly commits: number
  readonly commitsPerSecond: number
  /** Transactions that wrote rows of more than one service. */
  readonly acrossServices: number
  /** How often a write was refused because its table was fenced or had moved. */
  readonly refused: number
  readonly connectionsLost: number
  /** Commits whose answer was lost, and which were found by their token. */
  readonly unknownCommits: number
  readonly conflicts: number
  readonly rows: number
  /** Milliseconds a service, over the whole time. */
  readonly longestGaps: Readonly<Record<string, number>>
}

export interface JournalCheck {
  readonly rows: number
  /** Everything that is wrong, by table and token; empty when nothing was lost and nothing doubled. */
  readonly problems: readonly string[]
}

const notes = ['سجل جديد', 'changed', '', 'ملاحظة ٢', "it's; \\ fine"]

/** An application that works on NileCare's tables and remembers what it did. */
export class Writer {
  readonly #options: Required<Omit<WriterOptions, 'route'>> & Pick<WriterOptions, 'route'>
  readonly #run = `w${randomBytes(4).toString('hex')}`
  readonly #routes = new Map<string, Promise<Location>>()
  readonly #journal: JournalRow[] = []
  readonly #gaps = new Gaps()
  readonly #counts = { commits: 0, acrossServices: 0, refused: 0, connectionsLost: 0, unknownCommits: 0, conflicts: 0 }
  readonly #begun = performance.now()
  #ended: number | undefined
  readonly #working: Promise<unknown>
  #failure: Error | undefined
  #focus: string | undefined

  constructor(options: WriterOptions) {
    const services = options.services ?? [...new Set(writerTables.map(({ service }) => service))]
    this.#options = { workers: 6, rate: 400, patience: 60_000, ...options, services }
    this.#gaps.start(services)
    const numbers = Array.from({ length: this.#options.workers }, (_, number) => number)
    this.#working = Promise.all(numbers.map((number) => this.#work(number))).catch((error: unknown) => {
      this.#failure = error as Error
    })
  }

  /** Gives every second transaction to one service, so that its gaps are measured finely; undefined ends that. */
  focus(service: string | undefined): void {
    this.#focus = service
  }

  /** The longest time in milliseconds in which no write of the service was committed, since a `Date.now()`. */
  longestGap(service: string, since?: number): number {
    return this.#gaps.longest(service, since)
  }

  /**
   * Finishes what is under way.
   * @throws what a write failed with that no retry could mend
   */
  async stop(): Promise<WriterReport> {
    this.#ended ??= performance.now()
    await this.#working
    if (this.#failure) throw this.#failure
    return this.report()
  }

  report(): WriterReport {
    const seconds = ((this.#ended ?? performance.now()) - this.#begun) / 1000
    return {
      ...this.#counts,
      commitsPerSecond: Math.round(this.#counts.commits / seconds),
      rows: this.#journal.length,
      longestGaps: Object.fromEntries(
        this.#options.services.map((service) => [service, Math.round(this.#gaps.longest(service))]),
      ),
    }
  }

  /** Compares every row ever written with the database that owns it now. Only after `stop`. */
  async checkJournal(): Promise<JournalCheck> {
    const problems: string[] = []
    for (const table of writerTables.filter(({ service }) => this.#options.services.includes(service))) {
      const client = await openClient(await this.#options.route(table.service))
      try {
        problems.push(...(await this.#checkTable(client, table)))
      } finally {
        await client.close()
      }
    }
    return { rows: this.#journal.length, problems }
  }

  async #checkTable(client: Client, table: WriterTable): Promise<string[]> {
    const found = await client.query(
      `select ${table.token} as token, ${table.counter} as counter, note from ${table.name} where ${table.token} like ?`,
      [`${this.#run}-%`],
    )
    const rows = new Map<string, { counter: number; note: unknown }[]>()
    for (const { token, counter, note } of found) {
      const same = rows.get(String(token)) ?? []
      rows.set(String(token), [...same, { counter: Number(counter), note }])
    }
    const problems: string[] = []
    for (const row of this.#journal.filter((row) => row.table === table)) {
      const [first, ...more] = rows.get(row.token) ?? []
      rows.delete(row.token)
      const say = (what: string) => problems.push(`${table.name} ${row.token}: ${what}`)
      if (more.length > 0) say('doubled')
      if (row.gone && first) say('deleted, but there')
      if (!row.gone && !first) say('lost')
      if (!row.gone && first && (first.counter !== row.counter || first.note !== row.note))
        say('an old or other version')
    }
    for (const token of rows.keys()) problems.push(`${table.name} ${token}: nobody wrote it`)
    return problems
  }

  async #work(number: number): Promise<void> {
    const worker = new Worker(number, this.#run, this.#options.services)
    const sessions = new Sessions()
    const interval = (1000 * this.#options.workers) / this.#options.rate
    let due = performance.now() + Math.random() * interval
    try {
      while (this.#ended === undefined && !this.#failure) {
        await sleep(Math.max(0, due - performance.now()))
        // after a standstill it goes on at its pace and does not make up for it
        due = Math.max(due, performance.now() - 2 * interval) + interval
        const changes = worker.nextChanges(this.#focus)
        await this.#carryOut(changes, sessions)
        for (const { kind, row } of changes) if (kind === 'insert') this.#journal.push(row)
      }
    } finally {
      await sessions.closeAll()
    }
  }

  /** One transaction for the changes that share a database; those of a service that has moved get one of their own. */
  async #carryOut(changes: readonly Change[], sessions: Sessions): Promise<void> {
    const until = performance.now() + this.#options.patience
    let waiting = changes
    /** Sent with a commit that was not answered. */
    let unsure: readonly Change[] = []
    while (waiting.length > 0) {
      const services = [...new Set(waiting.map(({ row }) => row.table.service))]
      let place: Location | undefined
      let here: readonly Change[] = []
      let isCommitting = false
      try {
        place = await this.#locate(services[0] as string)
        const client = await sessions.open(place)
        if (unsure.length > 0) {
          const committed = await this.#resolve(unsure, sessions)
          unsure = []
          if (committed) {
            this.#counts.unknownCommits += 1
            waiting = this.#done(waiting, committed)
            continue
          }
        }
        here = await this.#sharing(place, waiting)
        await client.query(place.kind === 'mariadb' ? 'start transaction' : 'begin')
        for (const change of here) await sendChange(client, change)
        isCommitting = true
        await client.query('commit')
        waiting = this.#done(waiting, here)
      } catch (error) {
        const trouble = troubleOf(error)
        if (trouble === 'failure' || performance.now() > until) throw error
        // 'exists': a commit that was thought lost came through after all
        if ((isCommitting && trouble === 'lost') || trouble === 'exists') unsure = here
        await this.#recover(trouble, services, place, sessions)
      }
    }
  }

  #done(waiting: readonly Change[], committed: readonly Change[]): readonly Change[] {
    for (const change of committed) record(change)
    const services = new Set(committed.map(({ row }) => row.table.service))
    for (const service of services) this.#gaps.commit(service)
    this.#counts.commits += 1
    if (services.size > 1) this.#counts.acrossServices += 1
    return waiting.filter((change) => !committed.includes(change))
  }

  /** The changes when they are in the database, undefined when they are not. */
  async #resolve(unsure: readonly Change[], sessions: Sessions): Promise<readonly Change[] | undefined> {
    const there: Change[] = []
    for (const change of unsure) {
      const client = await sessions.open(await this.#locate(change.row.table.service))
      if (await isThere(client, change)) there.push(change)
    }
    if (there.length === 0) return undefined
    if (there.length < unsure.length) {
      throw new Error(`half a transaction: ${there.length} of ${unsure.length} changes, ${unsure[0]?.row.token}`)
    }
    return unsure
  }

  async #sharing(place: Location, changes: readonly Change[]): Promise<readonly Change[]> {
    const here: Change[] = []
    for (const change of changes) {
      if (sameDatabase(await this.#locate(change.row.table.service), place)) here.push(change)
    }
    return here
  }

  async #recover(trouble: string, services: readonly string[], place: Location | undefined, sessions: Sessions) {
    if (trouble === 'moved') this.#counts.refused += 1
    if (trouble === 'conflict') this.#counts.conflicts += 1
    if (trouble === 'lost') this.#counts.connectionsLost += 1
    if (trouble !== 'conflict') for (const service of services) this.#routes.delete(service)
    if (place && !(trouble === 'moved' && (await sessions.rollBack(place)))) await sessions.close(place)
    await sleep(trouble === 'lost' ? 20 : 2)
  }

  #locate(service: string): Promise<Location> {
    const known = this.#routes.get(service)
    if (known) return known
    const asked = Promise.resolve(this.#options.route(service))
    this.#routes.set(service, asked)
    return asked
  }
}

/** One worker's sessions, one a database. */
class Sessions {
  readonly #open = new Map<string, Client>()

  async open(place: Location): Promise<Client> {
    const known = this.#open.get(place.url)
    if (known) return known
    const client = await openClient(place)
    this.#open.set(place.url, client)
    return client
  }

  /** Whether the session can be used on. */
  async rollBack(place: Location): Promise<boolean> {
    try {
      await this.#open.get(place.url)?.query('rollback')
      return true
    } catch {
      return false
    }
  }

  async close(place: Location): Promise<void> {
    const client = this.#open.get(place.url)
    this.#open.delete(place.url)
    await client?.close().catch(() => {})
  }

  async closeAll(): Promise<void> {
    for (const client of this.#open.values()) await client.close().catch(() => {})
  }
}

/** Decides what comes next. Workers touch rows of their own only, so that each knows what its rows must be. */
class Worker {
  readonly #number: number
  readonly #run: string
  readonly #services: readonly string[]
  readonly #groups: readonly (readonly string[])[]
  readonly #rows = new Map<WriterTable, JournalRow[]>()
  #made = 0
  #turn: number
  #isFocused = false

  constructor(number: number, run: string, services: readonly string[]) {
    this.#number = number
    this.#run = run
    this.#services = services
    this.#groups = writtenTogether.filter((group) => group.every((service) => services.includes(service)))
    this.#turn = number * 3
  }

  /** Every service gets its turn; each fourth transaction is across services. */
  nextChanges(focus: string | undefined): Change[] {
    this.#isFocused = !this.#isFocused
    if (focus !== undefined && this.#isFocused) return this.#changesOf(focus)
    const turn = this.#turn++
    const quarter = turn >>> 2
    const group = turn % 4 === 3 ? this.#groups[quarter % this.#groups.length] : undefined
    const services = group ?? [this.#services[(turn - quarter) % this.#services.length] as string]
    return services.flatMap((service) => this.#changesOf(service))
  }

  #changesOf(service: string): Change[] {
    const tables = writerTables.filter((table) => table.service === service)
    const [main, child] = tables as [WriterTable, WriterTable | undefined]
    const rows = (this.#rows.get(main) ?? []).filter(({ gone }) => !gone)
    const chosen = rows[Math.floor(Math.random() * rows.length)]
    const luck = Math.random()
    if (!chosen || luck < 0.55) {
      const parent = this.#insert(main)
      return child ? [parent, this.#insert(child, parent.row), this.#insert(child, parent.row)] : [parent]
    }
    if (luck < 0.9) {
      const part = chosen.children[0]
      return [chosen, ...(part ? [part] : [])].map((row) => this.#update(row))
    }
    const { counter, note } = chosen
    this.#rows.set(
      main,
      rows.filter((row) => row !== chosen),
    )
    return [{ kind: 'delete', row: chosen, counter, note, values: {} }]
  }

  #insert(table: WriterTable, parent?: JournalRow): Change {
    const token = `${this.#run}-${this.#number}-${++this.#made}`
    const row: JournalRow = { table, token, counter: 0, note: '', gone: true, children: [] }
    this.#rows.set(table, [...(this.#rows.get(table) ?? []).slice(-200), row])
    const change = { kind: 'insert' as const, row, counter: 1, note: this.#note(), values: table.values(this.#number) }
    return parent ? { ...change, parent } : change
  }

  #update(row: JournalRow): Change {
    return { kind: 'update', row, counter: row.counter + 1, note: this.#note(), values: {} }
  }

  #note(): string {
    return notes[Math.floor(Math.random() * notes.length)] as string
  }
}
