import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { withTenant } from '@imhotep/kernel'
import { connect, DatabaseError, type Database } from '@imhotep/postgres'
import { contextOf } from '../support/tenants.ts'

const tenant = 'da000000-0000-7000-8000-000000000000'
const clinic = 'da000000-0001-7000-8000-000000000001'

export interface Registered {
  /** Numbers of the patients that were registered in the database whose user is imhotep_app. */
  readonly shared: readonly string[]
  readonly own: readonly string[]
  /** What was refused for another reason than the switch. */
  readonly failures: readonly string[]
}

/** A front desk that registers patients one after the other, in the database that its route leads to. */
export class Registrar {
  readonly #route: () => string
  readonly #databases = new Map<string, Database>()
  readonly #shared: string[] = []
  readonly #own: string[] = []
  readonly #failures: string[] = []
  readonly #working: Promise<void>
  #isOpen = true

  constructor(route: () => string) {
    this.#route = route
    this.#working = this.#work()
  }

  /** Waits for that many more patients, or for the first failure. */
  async more(patients: number): Promise<void> {
    const goal = this.#count + patients
    while (this.#count < goal && this.#failures.length === 0) await pause(20)
  }

  async stop(): Promise<Registered> {
    this.#isOpen = false
    await this.#working
    await Promise.all([...this.#databases.values()].map((db) => db.close()))
    this.#databases.clear()
    return { shared: this.#shared, own: this.#own, failures: this.#failures }
  }

  get #count(): number {
    return this.#shared.length + this.#own.length
  }

  async #work(): Promise<void> {
    while (this.#isOpen && this.#failures.length < 5) {
      await this.#register().catch((error: unknown) => {
        // between the fence and the route: read the route again
        if (error instanceof DatabaseError && error.sqlstate === 'IMH01') return
        this.#failures.push(String(error))
      })
      await pause(100)
    }
  }

  async #register(): Promise<void> {
    const url = this.#route()
    const db = this.#databases.get(url) ?? connect(url, { max: 1 })
    this.#databases.set(url, db)
    const name = randomUUID()
    const person = {
      given_name: name.slice(0, 8).replace(/\d/g, (digit) => 'ghijklmnop'[Number(digit)] as string),
      family_name: name.slice(24).replace(/\d/g, (digit) => 'ghijklmnop'[Number(digit)] as string),
      sex: 'female',
      birth_date: `19${50 + (this.#count % 50)}-0${1 + (this.#count % 9)}-11`,
      registered_clinic_id: clinic,
    }
    const [row] = await withTenant(db, contextOf(tenant), (tx) =>
      tx.query<{ mrn: string | null; outcome: string }>('select * from patient.register($1, $2, $3, $4, $5)', [
        person,
        [],
        `desk-${name}`,
        true,
        'the desk has looked',
      ]),
    )
    if (!row?.mrn) throw new Error(`not registered: ${row?.outcome}`)
    ;(new URL(url).username === 'imhotep_app' ? this.#shared : this.#own).push(row.mrn)
  }
}
