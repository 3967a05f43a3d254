import type { Trigger } from '../../catalog/model.ts'
import { defineRule } from '../rule.ts'

export const stateMachineTrigger = defineRule<string>({
  id: 'state-machine-trigger',
  family: 'structure',
  severity: 'error',
  effect: 'The rules of the state machine are written down and nobody enforces them.',
  instead:
    "create trigger .. before insert or update of status on t for each row execute function core.enforce_transition('schema.table', 'status');",
  subjects: (context) => new Set(context.facts.machines),
  *check(machine, context) {
    const table = context.catalog.tables.get(machine)
    const { transitionFunction } = context.policy
    if (!table) {
      yield { object: machine, message: `transition rules name ${machine}, which is no table` }
      return
    }
    const guards = [...table.triggers.values()].filter(
      (trigger) => trigger.function === transitionFunction && trigger.arguments[0] === machine && isWhole(trigger),
    )
    for (const event of ['insert', 'update']) {
      if (guards.some((trigger) => trigger.events.includes(event))) continue
      yield {
        object: machine,
        message: `no enabled trigger enforces the states of ${machine} on ${event}`,
        position: table.position,
      }
    }
  },
})

function isWhole(trigger: Trigger): boolean {
  const watches = trigger.updateColumns.length === 0 || trigger.updateColumns.includes(trigger.arguments[1] ?? '')
  const enabled = trigger.enabled === 'origin' || trigger.enabled === 'always'
  return trigger.timing === 'before' && trigger.level === 'row' && trigger.when === null && watches && enabled
}
