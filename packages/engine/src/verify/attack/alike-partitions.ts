import type { Table } from '../../catalog/model.ts'
import { scopeOf, type VerifyContext } from '../context.ts'

/** Families of partitions up to this size are attacked whole. */
const wholeFamily = 48

/**
 * The partitions to leave out: of a large family, those that answer as its first, its last or its default partition does,
 * because owner, grants, policies, triggers and row level security are the same.
 */
export function alikePartitions(context: VerifyContext): Set<Table> {
  const families = new Map<string, Table[]>()
  for (const table of context.tenantTables) {
    if (table.partitionOf === null || scopeOf(table, context) === 'global') continue
    const family = JSON.stringify([table.partitionOf, guardsOf(table)])
    families.set(family, [...(families.get(family) ?? []), table])
  }
  const alike = [...families.values()]
    .filter((family) => family.length > wholeFamily)
    .flatMap((family) => family.slice(1, -1).filter(({ partitionBound }) => !/^default$/i.test(partitionBound ?? '')))
  return new Set(alike)
}

function guardsOf(table: Table): unknown[] {
  const { owner, grants, rlsEnabled, rlsForced, partitionKey } = table
  const policies = [...table.policies.values()].map(({ name, permissive, command, roles, using, withCheck }) => {
    return [name, permissive, command, roles, using, withCheck]
  })
  const triggers = [...table.triggers.values()].map((trigger) => [
    trigger.name,
    trigger.timing,
    trigger.level,
    trigger.events,
    trigger.function,
    trigger.arguments,
    trigger.when,
    trigger.updateColumns,
    trigger.enabled,
  ])
  const rules = [...table.rules.values()].map(({ definition }) => definition.replaceAll(table.name, ''))
  return [owner, grants, rlsEnabled, rlsForced, partitionKey, policies, triggers, rules]
}
