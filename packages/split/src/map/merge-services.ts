import { pullOf, type Link } from './foreign-key-links.ts'
import { SHARED_READ } from './owner-map.ts'
import type { SuggestedOwner } from './suggest-map.ts'

/** Takes what is left when nothing leads anywhere. */
const miscellaneous = 'misc'

/**
 * Gives the tables of the smallest service to the one that most of their foreign keys, in and out, lead to, until there are
 * few enough services. Those that `keeps` names stay.
 */
export function mergeSmallServices(
  owners: Map<string, SuggestedOwner>,
  links: readonly Link[],
  { most, keeps }: { readonly most: number; readonly keeps: (service: string) => boolean },
): void {
  const pull = pullOf(links)
  for (;;) {
    const sizes = new Map<string, number>()
    for (const { owner } of owners.values()) sizes.set(owner, (sizes.get(owner) ?? 0) + 1)
    sizes.delete(SHARED_READ)
    const [smallest] = [...sizes]
      .filter(([name]) => !keeps(name) && name !== miscellaneous)
      .toSorted(([a, sizeOfA], [b, sizeOfB]) => sizeOfA - sizeOfB || (a < b ? -1 : 1))
    if (sizes.size <= most || !smallest) return

    const [name] = smallest
    const strengths = new Map<string, number>()
    for (const link of links) {
      const [from, to] = [owners.get(link.from)?.owner, owners.get(link.to)?.owner]
      const other = from === name ? to : to === name ? from : undefined
      if (other === undefined || other === name || other === SHARED_READ) continue
      strengths.set(other, (strengths.get(other) ?? 0) + pull(link))
    }
    const [strongest] = [...strengths].toSorted(([a, pullOfA], [b, pullOfB]) => pullOfB - pullOfA || (a < b ? -1 : 1))
    const into = strongest?.[0] ?? miscellaneous
    for (const [id, table] of owners) {
      if (table.owner !== name) continue
      owners.set(id, { ...table, owner: into, reason: `${table.reason}; ${name} would be small` })
    }
  }
}
