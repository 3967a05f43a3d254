import type { Table, Trigger } from '../../catalog/model.ts'
import { classOf, isAppendOnly, isProtected, nameOf, type VerifyContext } from '../context.ts'
import { defineRule } from '../rule.ts'

export const auditCoverage = defineRule<Table>({
  id: 'audit-coverage',
  family: 'audit',
  severity: 'error',
  effect: 'Changes to protected rows leave no trace: nobody can say who changed what.',
  instead: "select audit.track('schema.table'); it makes the three triggers, and mends them when it is called again.",
  *subjects(context) {
    for (const table of context.tables) {
      if (table.partitionOf === null && isProtected(table, context) && !isTheLog(table, context)) yield table
    }
  },
  *check(table, context) {
    const object = nameOf(table)
    for (const [name, event] of Object.entries(context.policy.auditTriggers)) {
      const trigger = table.triggers.get(name)
      const flaw = trigger ? flawOf(trigger, event, context) : 'is missing'
      if (flaw === null) continue
      const message = `audit trigger ${name} on ${object} (class=${classOf(table, context.catalog)}) ${flaw}`
      yield { object, message, position: trigger?.position ?? table.position }
    }
  },
})

/** The audit log does not audit itself: it cannot be changed. */
function isTheLog(table: Table, context: VerifyContext): boolean {
  return table.schema === context.policy.auditSchema && isAppendOnly(table, context)
}

function flawOf(trigger: Trigger, event: string, context: VerifyContext): string | null {
  if (trigger.enabled !== 'origin' && trigger.enabled !== 'always') return `is ${trigger.enabled}`
  if (!trigger.function.startsWith(`${context.policy.auditSchema}.`)) return `calls ${trigger.function}`
  if (trigger.timing !== 'after') return `fires ${trigger.timing} the change`
  if (!trigger.events.includes(event)) return `does not fire on ${event}`
  if (trigger.updateColumns.length > 0) return `fires for some columns only`
  return null
}
