import { createHash } from 'node:crypto'
import { SHARED_READ, type CheckedOwnerMap, type OwnedTable } from '../map/owner-map.ts'
import { tableId, type TableName } from '../model.ts'
import type { Dependency, DependencyKind, Findings, Warning } from './dependency.ts'
import type { LoopCall } from './loop-calls/find-loop-calls.ts'
import type { ResolvedUses } from './names.ts'
import { wayOutOfUse, type Choice } from './ways-out.ts'

/** Where and how often something was seen. */
export interface Sighting {
  readonly evidence: string
  readonly count: number
  readonly lastSeen: Date | null
}

interface Entry {
  readonly kind: DependencyKind
  readonly from: Dependency['from']
  readonly to: Dependency['to']
  readonly choice: Choice | undefined
  writes: boolean
  readonly evidence: Set<string>
  count: number
  lastSeen: Date | null
}

const MOST_EVIDENCE = 10

/** Collects what the sources find; the same dependency seen again counts up. */
export class Collector {
  /** Of the owner map. */
  readonly services: readonly string[]
  readonly #owners: ReadonlyMap<string, OwnedTable>
  readonly #entries = new Map<string, Entry>()
  readonly #unknown = new Map<string, Warning>()
  readonly #loopCalls = new Map<string, Warning>()
  readonly #looked = new Map<string, number>()

  constructor(map: CheckedOwnerMap) {
    this.services = map.services.map(({ name }) => name)
    this.#owners = new Map(map.tables.map((owned) => [tableId(owned.table), owned]))
  }

  looked(what: string, count = 1): void {
    this.#looked.set(what, (this.#looked.get(what) ?? 0) + count)
  }

  /** The service that is responsible for a table; undefined for static reference and for what the map is not about. */
  serviceOf(table: TableName): string | undefined {
    const owner = this.#owners.get(tableId(table))?.owner
    return owner === SHARED_READ ? undefined : owner
  }

  /**
   * What a piece of SQL uses. It belongs to `service`, else to the owner of what it writes first, else of what it names
   * first; tables of others are dependencies.
   */
  addUses(kind: DependencyKind, object: string, uses: ResolvedUses, sighting: Sighting, service?: string): void {
    for (const doubt of uses.doubts) this.addUnknown(kind, object, doubt, sighting)
    const owned = uses.tables.filter(({ table }) => this.#owners.has(tableId(table)))
    const home =
      service ??
      owned
        .filter(({ writes }) => writes)
        .map(({ table }) => this.serviceOf(table))
        .find((name) => name !== undefined) ??
      owned.map(({ table }) => this.serviceOf(table)).find((name) => name !== undefined)
    if (home === undefined) return
    const seen = new Set<string>()
    const writtenFirst = owned.toSorted((a, b) => Number(b.writes) - Number(a.writes))
    for (const { table, writes } of writtenFirst) {
      const owner = this.#owners.get(tableId(table))?.owner as string
      if (owner === home || seen.has(tableId(table)) || (owner === SHARED_READ && !writes)) continue
      seen.add(tableId(table))
      this.add(kind, { service: home, object }, { service: owner, table }, writes, sighting)
    }
  }

  add(
    kind: DependencyKind,
    from: Dependency['from'],
    to: Dependency['to'],
    writes: boolean,
    { evidence, count, lastSeen }: Sighting,
    choice?: Choice,
  ): void {
    const id = idOf(kind, from.object, tableId(to.table))
    const entry: Entry = this.#entries.get(id) ?? {
      kind,
      from,
      to: { service: to.service, table: { schema: to.table.schema, name: to.table.name } },
      choice,
      writes: false,
      evidence: new Set(),
      count: 0,
      lastSeen: null,
    }
    this.#entries.set(id, entry)
    entry.writes ||= writes
    if (entry.evidence.size < MOST_EVIDENCE) entry.evidence.add(evidence)
    entry.count += count
    entry.lastSeen = later(entry.lastSeen, lastSeen)
  }

  addUnknown(kind: DependencyKind, object: string, reason: string, sighting: Sighting): void {
    warn(this.#unknown, kind, object, reason, sighting)
  }

  addLoopCall({ file, line, callee, service }: LoopCall): void {
    const reason = `asks ${service ?? 'another service'} once for each element: ask once for all of them`
    const sighting = { evidence: `${file}:${line}`, count: 1, lastSeen: null }
    warn(this.#loopCalls, 'call in a loop', `${file}: ${callee}`, reason, sighting)
  }

  findings(): Findings {
    const dependencies = [...this.#entries].map(([id, entry]): Dependency => {
      const hasCopy = this.#owners.get(tableId(entry.to.table))?.copies.includes(entry.from.service) ?? false
      const choice = entry.choice ?? wayOutOfUse({ ...entry, hasCopy })
      return {
        id,
        kind: entry.kind,
        from: entry.from,
        to: entry.to,
        writes: entry.writes,
        evidence: [...entry.evidence],
        count: entry.count,
        lastSeen: entry.lastSeen,
        ...choice,
        settled: entry.kind === 'foreign key' || (hasCopy && !entry.writes),
      }
    })
    return {
      dependencies: dependencies.toSorted((a, b) => compare(sortKey(a), sortKey(b))),
      unknown: [...this.#unknown.values()],
      loopCalls: [...this.#loopCalls.values()],
      looked: Object.fromEntries(this.#looked),
    }
  }
}

function warn(
  warnings: Map<string, Warning>,
  kind: DependencyKind,
  object: string,
  reason: string,
  { evidence, count, lastSeen }: Sighting,
): void {
  const id = idOf(kind, object, reason)
  const known = warnings.get(id)
  const places = new Set([...(known?.evidence ?? []), evidence])
  warnings.set(id, {
    id,
    kind,
    object,
    reason,
    evidence: [...places].slice(0, MOST_EVIDENCE),
    count: (known?.count ?? 0) + count,
    lastSeen: later(known?.lastSeen ?? null, lastSeen),
  })
}

function idOf(kind: DependencyKind, object: string, what: string): string {
  return createHash('sha256').update(`${kind}\0${object}\0${what}`).digest('hex').slice(0, 12)
}

function later(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return a ?? b
  return a > b ? a : b
}

function sortKey({ kind, from, to }: Dependency): string {
  return [from.service, kind, from.object, tableId(to.table)].join('\0')
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
