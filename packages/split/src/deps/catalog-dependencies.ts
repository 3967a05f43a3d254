import { tableId } from '../model.ts'
import type { SharedCatalog } from '../side.ts'
import type { Collector, Sighting } from './collector.ts'
import type { Names } from './names.ts'
import { wayOutOfForeignKey } from './ways-out.ts'

/** Foreign keys, views, routines, events, triggers and generated columns that reach over a border. */
export function addCatalogDependencies(
  catalog: SharedCatalog,
  names: Names,
  collector: Collector,
  home?: string,
): void {
  addForeignKeys(catalog, collector)
  for (const routine of [...catalog.views, ...catalog.routines]) {
    collector.looked(`${routine.kind}s`)
    const object = tableId(routine)
    collector.addUses(routine.kind, object, names.usesOfRoutine(routine), once(`${routine.kind} ${object}`), home)
  }
  for (const trigger of catalog.triggers) {
    collector.looked('triggers')
    const object = `${trigger.name} on ${tableId(trigger.table)}`
    collector.addUses(
      'trigger',
      object,
      names.usesOf(trigger.body),
      once(`trigger ${object}`),
      collector.serviceOf(trigger.table),
    )
  }
  for (const table of catalog.tables) {
    for (const { name, generated, default: value } of table.columns) {
      for (const expression of [generated, value]) {
        if (expression === null) continue
        collector.looked('expressions of columns')
        const object = `${tableId(table)}.${name}`
        // a column cannot read a table, but a function that it calls can
        collector.addUses(
          'generated column',
          object,
          names.usesOf(expression),
          once(`column ${object}`),
          collector.serviceOf(table),
        )
      }
    }
  }
}

function addForeignKeys(catalog: SharedCatalog, collector: Collector): void {
  for (const table of catalog.tables) {
    for (const key of table.foreignKeys) {
      collector.looked('foreign keys')
      const [from, to] = [collector.serviceOf(table), collector.serviceOf(key.references)]
      if (from === undefined || to === undefined || from === to) continue
      const object = `${tableId(table)}.${key.name}`
      const { schema, name } = key.references
      const choice = wayOutOfForeignKey(key, table)
      collector.add(
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
