import { quoteIdentifier, quoteLiteral } from '../bundle/quote.ts'
import type { EventTrigger } from '../catalog/model.ts'
import { ENABLE_WORDS } from './print-trigger.ts'
import { unplaced, type UnplacedObject } from './printed-object.ts'
import { commentStatement, quoteKey } from './sql-text.ts'

/** It stands at the very end, its comment with it: it must not see the script that makes it. */
export function printEventTrigger(trigger: EventTrigger): UnplacedObject {
  const target = `event trigger ${quoteIdentifier(trigger.name)}`
  const place = { section: 'other', phase: 'event triggers' } as const
  return unplaced(target.replaceAll('"', ''), '', place, [
    eventTriggerStatement(trigger),
    ...(trigger.comment === null ? [] : [commentStatement(target, trigger.comment)]),
    ...(trigger.enabled === 'origin' ? [] : [enableEventTriggerStatement(trigger)]),
  ])
}

export function eventTriggerStatement({ name, event, tags, ...trigger }: EventTrigger): string {
  const filter = tags.length > 0 ? ` when tag in (${tags.map((tag) => quoteLiteral(tag)).join(', ')})` : ''
  return `create event trigger ${quoteIdentifier(name)} on ${event}${filter} execute function ${quoteKey(trigger.function)}()`
}

export function enableEventTriggerStatement({ name, enabled }: EventTrigger): string {
  return `alter event trigger ${quoteIdentifier(name)} ${ENABLE_WORDS[enabled]}`
}
