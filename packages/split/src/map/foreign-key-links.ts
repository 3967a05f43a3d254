import { tableId, type SharedTable } from '../model.ts'
import { SHARED_READ } from './owner-map.ts'
import type { SuggestedOwner } from './suggest-map.ts'

export interface Link {
  /** `schema.table`. */
  readonly from: string
  readonly to: string
  readonly weight: number
}

export function foreignKeyLinks(tables: readonly SharedTable[]): Link[] {
  return tables.flatMap((table) =>
    table.foreignKeys
      .filter(({ references }) => tableId(references) !== tableId(table))
      .map((key) => ({ from: tableId(table), to: tableId(key.references), weight: weightOf(table, key) })),
  )
}

/** A part of its parent dies with it, or has its key in its own: such a link says more than a mere mention. */
function weightOf(table: SharedTable, key: SharedTable['foreignKeys'][number]): number {
  const isPart = key.columns.every((column) => table.primaryKey.includes(column))
  return (isPart ? 3 : 0) + (key.onDelete === 'cascade' ? 2 : 0) + 1
}

/** How much a link says; hubs pull weakly, as everybody refers to them. */
export function pullOf(links: readonly Link[]): (link: Link) => number {
  const mentions = new Map<string, number>()
  for (const { to } of links) mentions.set(to, (mentions.get(to) ?? 0) + 1)
  return ({ to, weight }) => weight / Math.sqrt(mentions.get(to) ?? 1)
}

/** Each table joins the service that most of its foreign keys, in and out, lead to. */
export function attachByForeignKeys(
  open: readonly SharedTable[],
  links: readonly Link[],
  owners: ReadonlyMap<string, SuggestedOwner>,
  decide: (table: SharedTable, owner: string, reason: string) => void,
): void {
  const pull = pullOf(links)
  for (let round = 0; round < open.length; round++) {
    let best: { table: SharedTable; owner: string; strength: number } | undefined
    for (const table of open) {
      const id = tableId(table)
      if (owners.has(id)) continue
      const strengths = new Map<string, number>()
      for (const link of links) {
        const other = link.from === id ? link.to : link.to === id ? link.from : undefined
        const owner = other === undefined ? undefined : owners.get(other)?.owner
        if (owner === undefined || owner === SHARED_READ) continue
        strengths.set(owner, (strengths.get(owner) ?? 0) + pull(link))
      }
      for (const [owner, strength] of strengths) {
        if (!best || strength > best.strength) best = { table, owner, strength }
      }
    }
    if (!best) return
    decide(best.table, best.owner, `its foreign keys lead to ${best.owner} (weight ${best.strength.toFixed(1)})`)
  }
}
