import type { Querier } from './attack/runner.ts'
import type { Catalog } from '../catalog/model.ts'
import { loadParser } from '../parse/parser.ts'
import { quoteQualified } from './attack/quote.ts'
import type { Facts } from './context.ts'
import type { VerifyPolicy } from './policy.ts'

/** Reads what the rules need and the catalog does not hold. */
export async function readFacts(db: Querier, catalog: Catalog, policy: VerifyPolicy): Promise<Facts> {
  await loadParser() // rules read the expressions of policies
  const table = catalog.tables.get(policy.transitionTable)
  if (!table) return { machines: [] }
  const rows = await db.query<{ machine: string }>(
    `select distinct machine from ${quoteQualified(table)} order by machine`,
  )
  return { machines: rows.map((row) => row.machine) }
}
