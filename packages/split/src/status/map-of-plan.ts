import { asideNames } from '../aside-name.ts'
import { SHARED_READ, type CheckedOwnerMap, type OwnedTable } from '../map/owner-map.ts'
import { tableId, type MovedTable, type SharedTable } from '../model.ts'
import type { SplitPlan } from '../plan/split-plan.ts'

type Owned = Pick<OwnedTable, 'owner' | 'copies' | 'key'>

/** The owner map as it was when the plan was made, over the tables that are there now, also those that are set aside. */
export function mapOfPlan(plan: SplitPlan, tables: readonly SharedTable[]): CheckedOwnerMap {
  const owners = new Map<string, Owned>()
  const enter = ({ source, key }: MovedTable, owner: string, copies: readonly string[]) => {
    for (const name of [source, ...asideNames(source)]) owners.set(tableId(name), { owner, copies, key })
  }
  for (const { name, tables: own, reference, copies } of plan.services) {
    for (const table of reference) enter(table, SHARED_READ, [])
    for (const table of own) {
      enter(table, name, copies.find((copy) => tableId(copy.table.source) === tableId(table.source))?.readers ?? [])
    }
  }
  const owned = tables.flatMap((table): OwnedTable[] => {
    const known = owners.get(tableId(table))
    return known ? [{ table, ...known, zeroDate: () => null }] : []
  })
  return {
    tables: owned,
    services: plan.services.map(({ name, database }) => ({
      name,
      database,
      tables: owned.filter(({ owner }) => owner === name),
    })),
    moved: [],
  }
}
