import type { Table, Trigger } from '../../catalog/model.ts'
import { fires, switchedOffOn } from '../clones.ts'
import { classOf, isAppendOnly, isProtected, nameOf, type VerifyContext } from '../context.ts'
import { plainExpression } from '../expression.ts'
import { matchesName } from '../match-name.ts'
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
    const { auditTriggers, auditFunctions } = context.policy
    const events = new Set(auditFunctions.length > 0 ? ALL : Object.values(auditTriggers))
    const found = new Set<Trigger>()
    for (const event of events) {
      const recording = [...table.triggers.values()].find((trigger) => records(trigger, event, context))
      if (recording) {
        found.add(recording)
        continue
      }
      const [name, flawed] = nearest(table, event, context)
      const title = name === null ? `no audit trigger on ${object}` : `audit trigger ${name} on ${object}`
      const flaw = flawed ? flawOf(flawed, event, context) : name === null ? `fires on ${event}` : 'is missing'
      const message = `${title} (class=${classOf(table, context)}) ${flaw}`
      yield { object, message, position: flawed?.position ?? table.position }
    }
    for (const trigger of found) {
      for (const partition of switchedOffOn(table, trigger, context)) {
        const name = nameOf(partition)
        const message = `audit trigger ${trigger.name} on partition ${name} (class=${classOf(table, context)}) is switched off`
        yield { object: name, message, position: partition.position }
      }
    }
  },
})

const ALL = ['insert', 'update', 'delete'] as const

/** The audit log does not audit itself: it cannot be changed. */
function isTheLog(table: Table, context: VerifyContext): boolean {
  return table.schema === context.policy.auditSchema && isAppendOnly(table, context)
}

/** A trigger that leaves the trace, known by its name or by its function. */
function records(trigger: Trigger, event: string, context: VerifyContext): boolean {
  const isOurs = context.policy.auditTriggers[trigger.name] === event || callsAuditFunction(trigger, context)
  return isOurs && flawOf(trigger, event, context) === null
}

/** The name that the trigger has or should have, and the trigger where it stands but does not do its work. */
function nearest(table: Table, event: string, context: VerifyContext): [string | null, Trigger | undefined] {
  const { auditTriggers } = context.policy
  const name = Object.keys(auditTriggers).find((own) => auditTriggers[own] === event) ?? null
  const named = name === null ? undefined : table.triggers.get(name)
  if (named) return [name, named]
  const calling = [...table.triggers.values()].find(
    (trigger) => trigger.events.includes(event) && callsAuditFunction(trigger, context),
  )
  if (calling) return [calling.name, calling]
  return [context.policy.auditFunctions.length > 0 ? null : name, undefined]
}

function callsAuditFunction(trigger: Trigger, { policy }: VerifyContext): boolean {
  return policy.auditFunctions.some((pattern) => matchesName(pattern, trigger.function))
}

function flawOf(trigger: Trigger, event: string, context: VerifyContext): string | null {
  if (!fires(trigger)) return `is ${trigger.enabled}`
  const { auditSchema } = context.policy
  if (!trigger.function.startsWith(`${auditSchema}.`) && !callsAuditFunction(trigger, context))
    return `calls ${trigger.function}`
  if (trigger.timing !== 'after') return `fires ${trigger.timing} the change`
  if (!trigger.events.includes(event)) return `does not fire on ${event}`
  if (trigger.updateColumns.length > 0) return `fires for some columns only`
  if (trigger.when !== null && !isAnyChange(trigger.when)) return `fires for some rows only`
  return null
}

/** `old.* is distinct from new.*`: an update that changes nothing leaves no trace, and need not. */
function isAnyChange(condition: string): boolean {
  return /^old\.\*isdistinctfromnew\.\*$/.test(plainExpression(condition))
}
