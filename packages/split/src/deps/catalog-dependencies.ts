import { tableId } from '../map/owner-map.ts'
import type { SharedCatalog } from '../side.ts'
import type { Ledger, Sighting } from './ledger.ts'
import type { Names } from './names.ts'
import { wayOutOfForeignKey } from './ways-out.ts'

/** Foreign keys, views, routines, events, triggers and generated columns that reach over a border. */
export function addCatalogDependencies(catalog: SharedCatalog, names: Names, ledger: Ledger): void {
  addForeignKeys(catalog, ledger)
  for (const routine of [...catalog.views, ...catalog.routines]) {
    ledger.looked(`${routine.kind}s`)
    const object = tableId(routine)
    ledger.addUses(routine.kind, object, names.usesOfRoutine(routine), once(`${routine.kind} ${object}`))
  }
  for (const trigger of catalog.triggers) {
    ledger.looked('triggers')
    const object = `${trigger.name} on ${tableId(trigger.table)}`
    ledger.addUses(
      'trigger',
      object,
      names.usesOf(trigger.body),
      once(`trigger ${object}`),
      ledger.serviceOf(trigger.table),
    )
  }
  for (const table of catalog.tables) {
    for (const { name, generated, default: value } of table.columns) {
      for (const expression of [generated, value]) {
        if (expression === null) continue
        ledger.looked('expressions of columns')
        const object = `${tableId(table)}.${name}`
        // a column cannot read a table, but a function that it calls can
        ledger.addUses(
          'generated column',
          object,
          names.usesOf(expression),
          once(`column ${object}`),
          ledger.serviceOf(table),
        )
      }
    }
  }
}

function addForeignKeys(catalog: SharedCatalog, ledger: Ledger): void {
  for (const table of catalog.tables) {
    for (const key of table.foreignKeys) {
      ledger.looked('foreign keys')
      const [from, to] = [ledger.serviceOf(table), ledger.serviceOf(key.references)]
      if (from === undefined || to === undefined || from === to) continue
      const object = `${tableId(table)}.${key.name}`
      const { schema, name } = key.references
      const choice = wayOutOfForeignKey(key, table)
      ledger.add(
        'foreign key',
        { service: from, object },
        { service: to, table: { schema, name } },
        false,
        once(`constraint ${object}`),
        choice,
      )
    }
  }
}

function once(evidence: string): Sighting {
  return { evidence, count: 1, lastSeen: null }
}
