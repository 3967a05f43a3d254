import type { Key } from '../model.ts'
import { isPlain, type KeyOrder } from './key-range.ts'
import type { Layout, LocalColumn } from './layout.ts'
import type { Session } from './session.ts'
import { quoteTable } from './sql-text.ts'
import { storedBy } from './stored-by.ts'

/** Texts that every collation below orders as their bytes are: letters of one case and digits, and UUIDs. */
const plainTexts = ['[0-9a-z]*', '[0-9A-Z]*', '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}']
const plainCollations =
  /^(utf8(mb3|mb4)?|ascii|latin1)_(general_ci|unicode_ci|unicode_520_ci|swedish_ci|bin|nopad_bin)$/
const localCollations = /^utf8(mb3|mb4)?_swedish_ci$/

/**
 * Tells for each range of a table whether the index can be used for an order that both servers share. Texts are ordered by
 * language here: without an index each range of keys that are texts is a scan of the table.
 */
export class KeyOrders {
  readonly #session: Session
  readonly #known = new Map<Layout, Promise<RegExp[] | null>>()
  readonly #stored = new Map<Layout, Promise<boolean>>()

  constructor(session: Session) {
    this.#session = session
  }

  async of(layout: Layout, ...bounds: readonly (Key | null)[]): Promise<KeyOrder> {
    if (!layout.key.some(({ family }) => family === 'text')) return 'everywhere'
    let known = this.#known.get(layout)
    if (known === undefined) this.#known.set(layout, (known = this.#look(layout)))
    const patterns = await known
    if (patterns === null) return 'everywhere'
    const isPlain = bounds.every((key) => key === null || key.every((value, at) => patterns[at]?.test(value)))
    return isPlain ? 'index' : 'everywhere'
  }

  /** Whether the primary key gives the rows in this order, so that nobody has to sort them. */
  async isStored(layout: Layout, order: KeyOrder): Promise<boolean> {
    if (!isPlain(layout, order)) return false
    let stored = this.#stored.get(layout)
    if (stored === undefined) this.#stored.set(layout, (stored = this.#isStoredByKey(layout)))
    return stored
  }

  async #isStoredByKey({ table, moved }: Layout): Promise<boolean> {
    const key = await storedBy(this.#session, table)
    return (
      key !== null &&
      key.every(({ isAscending }) => isAscending) &&
      moved.key.every((name, at) => name === key[at]?.name)
    )
  }

  /** What all values of each key column look like, null when one of them looks like nothing known. */
  async #look(layout: Layout): Promise<RegExp[] | null> {
    const patterns: RegExp[] = []
    for (const column of layout.key) {
      const pattern = column.family === 'text' ? await this.#lookAt(layout, column) : '.*'
      if (pattern === null) return null
      patterns.push(new RegExp(`^${pattern}$`, 's'))
    }
    return patterns
  }

  async #lookAt(layout: Layout, column: LocalColumn): Promise<string | null> {
    const { collation } = column
    if (collation === null || !plainCollations.test(collation) || localCollations.test(collation)) return null
    for (const pattern of plainTexts) {
      const other = await this.#session.value(
        `select 1 from ${quoteTable(layout.table)} where not cast(${column.sql} as char) collate utf8mb4_bin regexp '^${pattern}$' limit 1`,
      )
      if (other === null) return pattern
    }
    return null
  }
}
