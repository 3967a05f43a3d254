import { serves } from '../ledger/states.ts'
import { postgresEnd } from '../loose-keys/postgres-end.ts'
import { watchedParents } from '../loose-keys/watched-parents.ts'
import { tableId } from '../model.ts'
import type { ServicePlan, SplitPlan } from '../plan/split-plan.ts'
import type { LooseKeyWatch } from '../protocol/move.ts'
import type { Split } from '../split.ts'
import { workLooseKeysOf } from './loose-keys.ts'

/** Remembers deleted parents for one service of a split, in the shared database and in its own. */
export function looseKeyWatch(
  split: Split,
  { name, database }: ServicePlan,
  { looseKeys }: SplitPlan,
  signal: AbortSignal,
): LooseKeyWatch {
  const { source, ledger } = split
  return {
    async watchShared() {
      const gone = (await ledger.all()).filter(({ state }) => serves(state) === 'own').map(({ service }) => service)
      const concerned = looseKeys
        .filter(({ child, parent }) => child.service === name || parent.service === name)
        .filter(({ parent }) => !gone.includes(parent.service))
        .map(({ parent }) => tableId(parent.shared))
      // one trigger serves all services' keys to the table
      for (const { table, columns } of watchedParents(looseKeys, 'shared'))
        if (concerned.includes(tableId(table))) await source.looseEnd.watch(table, columns)
    },
    async watchOwn() {
      const concerned = looseKeys.filter(({ parent }) => parent.service === name)
      for (const { table, columns } of watchedParents(concerned, 'own')) {
        await postgresEnd(split.databaseOf(database)).watch(table, columns)
      }
    },
    async settle(state) {
      await workLooseKeysOf(split, signal, state === 'reverted' ? name : undefined)
    },
  }
}
