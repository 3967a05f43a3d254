import { tableId, type TableName } from '../model.ts'
import type { SharedCatalog, SharedRoutine } from '../side.ts'
import { scanTables } from './sql/scan-tables.ts'
import type { Dialect } from './sql/tokens.ts'
import type { SqlUses } from './sql/uses.ts'

export interface ResolvedUse {
  readonly table: TableName
  readonly writes: boolean
}

export interface ResolvedUses {
  /** In the order in which they are named; what a view or routine uses stands where it is named. */
  readonly tables: readonly ResolvedUse[]
  readonly doubts: readonly string[]
}

/** Turns names in SQL into tables of the catalog, through views and routines. */
export class Names {
  readonly dialect: Dialect
  readonly #tables = new Map<string, TableName[]>()
  readonly #views = new Map<string, SharedRoutine[]>()
  readonly #routines = new Map<string, SharedRoutine[]>()
  readonly #bodies = new Map<SharedRoutine, ResolvedUses>()

  constructor(catalog: SharedCatalog, dialect: Dialect) {
    this.dialect = dialect
    for (const table of catalog.tables) addTo(this.#tables, table)
    for (const view of catalog.views) addTo(this.#views, view)
    for (const routine of catalog.routines) if (routine.kind !== 'event') addTo(this.#routines, routine)
  }

  /** The tables that a text uses. Names that the catalog does not know are somebody else's, or temporary. */
  usesOf(text: string): ResolvedUses {
    return this.#resolve(scanTables(text, this.dialect), new Set())
  }

  /** The tables that a view or routine of the catalog uses; that it calls itself adds nothing. */
  usesOfRoutine(routine: SharedRoutine): ResolvedUses {
    return this.#bodyOf(routine, new Set())
  }

  /** Whether the text has the name of a table, view or routine in it: worth a closer look. */
  isNamed(word: string): boolean {
    const name = word.toLowerCase()
    return this.#tables.has(name) || this.#views.has(name) || this.#routines.has(name)
  }

  #resolve(uses: SqlUses, inside: Set<SharedRoutine>): ResolvedUses {
    const tables: ResolvedUse[] = []
    const doubts = new Set(uses.doubts)
    const include = (routine: SharedRoutine, writes: boolean) => {
      const body = this.#bodyOf(routine, inside)
      // who writes a view writes its first table
      body.tables.forEach((use, at) => tables.push(writes && at === 0 ? { ...use, writes } : use))
      for (const doubt of body.doubts) doubts.add(`${routine.kind} ${tableId(routine)}: ${doubt}`)
    }
    for (const { schema, name, writes } of uses.tables) {
      const [table] = pick(this.#tables, schema, name)
      if (table) tables.push({ table, writes })
      else for (const view of pick(this.#views, schema, name)) include(view, writes)
    }
    for (const name of uses.calls) for (const routine of pick(this.#routines, null, name)) include(routine, false)
    return { tables, doubts: [...doubts] }
  }

  #bodyOf(routine: SharedRoutine, inside: Set<SharedRoutine>): ResolvedUses {
    const known = this.#bodies.get(routine)
    if (known) return known
    if (inside.has(routine)) return { tables: [], doubts: [] }
    const uses = this.#resolve(scanTables(routine.body, this.dialect), new Set([...inside, routine]))
    if (inside.size === 0) this.#bodies.set(routine, uses)
    return uses
  }
}

function addTo<Item extends TableName>(map: Map<string, Item[]>, item: Item): void {
  const key = item.name.toLowerCase()
  map.set(key, [...(map.get(key) ?? []), item])
}

/** All that may be meant: names compare without case, the schema narrows them. */
function pick<Item extends TableName>(map: ReadonlyMap<string, Item[]>, schema: string | null, name: string): Item[] {
  const found = map.get(name.toLowerCase()) ?? []
  const there = schema === null ? found : found.filter((item) => item.schema.toLowerCase() === schema.toLowerCase())
  const exact = there.filter((item) => item.name === name)
  return exact.length > 0 ? exact : there
}
