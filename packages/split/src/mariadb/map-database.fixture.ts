import type { SharedTable } from '../model.ts'
import type { TableFacts } from '../types/facts.ts'
import { mapTables, type MappedTables, type TypePolicies } from '../types/map-tables.ts'
import { readTables } from './catalog.ts'
import { probeTables } from './probe-table.ts'
import { openSession, placeOf } from './session.ts'

/** All tables of a database, their types chosen by their rows. */
export async function mapDatabase(
  url: string,
  policies: TypePolicies = {},
): Promise<
  MappedTables & { readonly shared: readonly SharedTable[]; readonly facts: ReadonlyMap<SharedTable, TableFacts> }
> {
  const session = await openSession(url)
  try {
    const shared = await readTables(session, placeOf(url).database)
    const facts = await probeTables(url, shared)
    const mapped = mapTables(shared, { facts: (table) => facts.get(table) as TableFacts, policies: () => policies })
    return { ...mapped, shared, facts }
  } finally {
    await session.close()
  }
}
