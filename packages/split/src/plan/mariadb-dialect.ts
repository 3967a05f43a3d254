import { AmbiguousKeyError, LossyTypesError } from '../errors.ts'
import type { OwnedTable } from '../map/owner-map.ts'
import { tableId } from '../model.ts'
import { deriveServiceSchema } from '../mariadb/derive/derive-service-schema.ts'
import { countRowsOfSameKey, probeTable } from '../mariadb/probe-table.ts'
import type { Session } from '../mariadb/session.ts'
import type { SharedCatalog } from '../side.ts'
import type { TableFacts } from '../types/facts.ts'
import { mapTables, type TypeFinding } from '../types/map-tables.ts'
import type { Dialect } from './plan-split.ts'

/** Tables of MariaDB get types that hold what their rows hold; each row is looked at once for that. */
export function mariadbDialect(session: Session, catalog: SharedCatalog, say: (text: string) => void): Dialect {
  const findings: TypeFinding[] = []
  return {
    kind: 'mariadb',
    async moved(owned) {
      const facts = new Map<string, TableFacts>()
      let toldAt = 0
      for (const [index, { table }] of owned.entries()) {
        if (Date.now() - toldAt > 250) {
          toldAt = Date.now()
          say(`looking at the rows of ${table.name} (${index + 1} of ${owned.length})`)
        }
        facts.set(tableId(table), await probeTable(session, table))
      }
      const twice = []
      for (const { table, key } of owned.filter(({ table }) => table.primaryKey.length === 0)) {
        const rows = await countRowsOfSameKey(session, table, key)
        if (rows > 0) twice.push(`${table.name} (${key.join(', ')}): ${rows} rows`)
      }
      if (twice.length > 0) throw new AmbiguousKeyError(twice)
      const owners = new Map(owned.map((one) => [tableId(one.table), one]))
      const mapped = mapTables(
        owned.map(({ table }) => table),
        {
          facts: (table) => facts.get(tableId(table)) as TableFacts,
          policies: (table) => {
            const { key, zeroDate } = owners.get(tableId(table)) as OwnedTable
            return { key, zeroDate: (column) => zeroDate(column) ?? 'stop' }
          },
        },
      )
      const stops = mapped.findings.filter((finding) => finding.stops)
      if (stops.length > 0) throw new LossyTypesError(stops)
      findings.push(...mapped.findings)
      return mapped
    },
    schema: async (tables, copies) => {
      const { files, leftOut } = deriveServiceSchema(catalog, tables, { findings })
      const copied = copies.length === 0 ? null : deriveServiceSchema(catalog, copies, { findings })
      return {
        schema: {
          tables: files['V001__tables.sql'],
          keys: files['V002__keys.sql'],
          copies: copied?.files['V001__tables.sql'] ?? null,
        },
        leftOut: leftOut.map(({ object, reason, wayOut }) => ({ object, reason: `${reason}; ${wayOut}` })),
      }
    },
  }
}
