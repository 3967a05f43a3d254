import type { Table, Trigger } from '../catalog/model.ts'
import { topOf, type VerifyContext } from './context.ts'

export function fires({ enabled }: Pick<Trigger, 'enabled'>): boolean {
  return enabled === 'origin' || enabled === 'always'
}

/** Partitions on which somebody switched off the clone of a trigger. Triggers for each statement have none. */
export function switchedOffOn(table: Table, trigger: Trigger, { catalog, tables }: VerifyContext): Table[] {
  if (table.partitionKey === null) return []
  return tables.filter((partition) => {
    const clone = partition.partitionOf === null ? undefined : partition.triggers.get(trigger.name)
    return clone && !fires(clone) && topOf(partition, catalog) === table
  })
}
