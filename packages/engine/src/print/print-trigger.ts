import { quoteIdentifier, quoteLiteral } from '../bundle/quote.ts'
import type { Catalog, Table, Trigger, View } from '../catalog/model.ts'
import { unplaced, type UnplacedObject } from './printed-object.ts'
import { inParentheses, lowerCase, qualified, quoteKey } from './sql-text.ts'

/** Null for what a partition has from its parent. */
export function printTrigger(catalog: Catalog, owner: Table | View, trigger: Trigger): UnplacedObject | null {
  const statements = triggerStatements(catalog, owner, trigger)
  if (statements.length === 0) return null
  const key = `${owner.schema}.${owner.name}`
  const place = { section: 'triggers', phase: 'triggers' } as const
  return unplaced(`trigger ${trigger.name} on ${key}`, owner.schema, place, statements, { owner: key })
}

function triggerStatements(catalog: Catalog, owner: Table | View, trigger: Trigger): string[] {
  const above = inheritedTrigger(catalog, owner, trigger)
  const enabled = above ? above.enabled : 'origin'
  return [
    ...(above ? [] : [triggerStatement(owner, trigger)]),
    ...(trigger.enabled === enabled ? [] : [enableStatement(owner, trigger)]),
  ]
}

/** The trigger of the parent that made this one on a partition. */
export function inheritedTrigger(catalog: Catalog, owner: Table | View, trigger: Trigger): Trigger | undefined {
  if (!('partitionOf' in owner) || owner.partitionOf === null || trigger.level !== 'row') return undefined
  return catalog.tables.get(owner.partitionOf)?.triggers.get(trigger.name)
}

export function triggerStatement(owner: Table | View, trigger: Trigger): string {
  const transitions = [
    ...(trigger.oldTable === null ? [] : [`old table as ${quoteIdentifier(trigger.oldTable)}`]),
    ...(trigger.newTable === null ? [] : [`new table as ${quoteIdentifier(trigger.newTable)}`]),
  ]
  return [
    `create ${trigger.constraint ? 'constraint ' : ''}trigger ${quoteIdentifier(trigger.name)}`,
    `  ${trigger.timing} ${eventsText(trigger)} on ${qualified(owner)}`,
    ...(trigger.deferrable ? [`  deferrable${trigger.initiallyDeferred ? ' initially deferred' : ''}`] : []),
    ...(transitions.length > 0 ? [`  referencing ${transitions.join(' ')}`] : []),
    `  for each ${trigger.level}`,
    ...(trigger.when === null ? [] : [`  when ${inParentheses(lowerCase(trigger.when))}`]),
    `  execute function ${quoteKey(trigger.function)}(${trigger.arguments.map(quoteLiteral).join(', ')})`,
  ].join('\n')
}

function eventsText({ events, updateColumns }: Trigger): string {
  const columns = updateColumns.length > 0 ? ` of ${updateColumns.map(quoteIdentifier).join(', ')}` : ''
  return events.map((event) => (event === 'update' ? `update${columns}` : event)).join(' or ')
}

export const ENABLE_WORDS = {
  origin: 'enable',
  always: 'enable always',
  replica: 'enable replica',
  disabled: 'disable',
} as const

export function enableStatement(owner: Table | View, { name, enabled }: Trigger): string {
  return `alter table ${qualified(owner)} ${ENABLE_WORDS[enabled]} trigger ${quoteIdentifier(name)}`
}
