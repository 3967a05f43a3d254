import type { Table, Trigger } from '../../catalog/model.ts'
import { fires } from '../clones.ts'
import { isAppendOnly, nameOf, type VerifyContext } from '../context.ts'
import { defineRule } from '../rule.ts'

export const appendOnly = defineRule<Table>({
  id: 'append-only',
  family: 'audit',
  severity: 'error',
  effect: 'Evidence can be changed or removed after the fact.',
  instead:
    'create trigger .. before update or delete .. for each row execute function core.refuse_change(); another ' +
    'before truncate .. for each statement; grant select and insert only.',
  *subjects(context) {
    for (const table of context.tables) if (isAppendOnly(table, context)) yield table
  },
  *check(table, context) {
    const object = nameOf(table)
    const at = { object, position: table.position }
    for (const [event, level] of [
      ['update', 'row'],
      ['delete', 'row'],
      ['truncate', 'statement'],
    ] as const) {
      // PostgreSQL clones row triggers to partitions, truncate triggers it does not: partitions are never granted.
      if (event === 'truncate' && table.partitionOf !== null) continue
      const guarded = [...table.triggers.values()].some((trigger) => refuses(trigger, event, level, context))
      if (!guarded) yield { ...at, message: `${object} is append-only, and no enabled trigger refuses ${event}` }
    }
    for (const grant of table.grants) {
      if (grant.grantee === table.owner || !['UPDATE', 'DELETE', 'TRUNCATE'].includes(grant.privilege.toUpperCase()))
        continue
      yield { ...at, message: `${object} is append-only, and ${grant.grantee} holds ${grant.privilege.toLowerCase()}` }
    }
  },
})

function refuses(trigger: Trigger, event: string, level: Trigger['level'], context: VerifyContext): boolean {
  return (
    trigger.function === context.policy.appendOnlyFunction &&
    trigger.timing === 'before' &&
    trigger.level === level &&
    trigger.events.includes(event) &&
    trigger.when === null &&
    trigger.updateColumns.length === 0 &&
    fires(trigger)
  )
}
