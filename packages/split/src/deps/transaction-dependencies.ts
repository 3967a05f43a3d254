import { tableId, type LogTransaction, type TableName } from '../model.ts'
import type { Collector } from './collector.ts'

/**
 * Committed transactions that wrote rows of several services, from the log of changes (`Side.readLog`): what no look at
 * single statements finds. Reads until the iterable ends.
 */
export async function addTransactions(
  transactions: AsyncIterable<LogTransaction>,
  collector: Collector,
): Promise<void> {
  for await (const { changes, committedAt, position } of transactions) {
    if (changes.length === 0) continue
    collector.looked('transactions')
    const tables = new Map<string, TableName>()
    for (const { table } of changes) tables.set(tableId(table.source), table.source)
    const services = new Map([...tables.values()].map((table) => [table, collector.serviceOf(table)]))
    const home = services.get([...tables.values()][0] as TableName)
    if (home === undefined) continue
    const object = [...tables.keys()].toSorted().join(' + ')
    for (const [table, service] of services) {
      if (service === undefined || service === home) continue
      const sighting = { evidence: `log position ${position}`, count: 1, lastSeen: committedAt }
      collector.add('transaction', { service: home, object }, { service, table }, true, sighting)
    }
  }
}
