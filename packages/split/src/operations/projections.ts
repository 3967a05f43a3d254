import { serves } from '../ledger/states.ts'
import type { Split } from '../split.ts'

/**
 * Tells the services that have a database of their own what they keep of others. Owners that are still in the shared
 * database write no events: this takes their place.
 */
export async function refreshProjectionsOf(split: Split): Promise<number> {
  const { services } = await split.plan()
  const entries = await split.ledger.all()
  let rows = 0
  for (const service of services.filter(({ keeps }) => keeps.length > 0)) {
    const state = entries.find((entry) => entry.service === service.name)?.state
    if (state !== undefined && serves(state) === 'own') rows += await split.refreshProjections(service)
  }
  return rows
}
