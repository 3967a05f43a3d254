import type { Trigger } from '../../catalog/model.ts'
import { fires, switchedOffOn } from '../clones.ts'
import { nameOf } from '../context.ts'
import { defineRule } from '../rule.ts'

export const stateMachineTrigger = defineRule<string | null>({
  id: 'state-machine-trigger',
  family: 'structure',
  severity: 'error',
  effect: 'The rules of the state machine are written down and nobody enforces them.',
  instead:
    "create trigger .. before insert or update of status on t for each row execute function core.enforce_transition('schema.table', 'status');",
  subjects: (context) => new Set(context.facts.machines ?? [null]),
  *check(machine, context) {
    if (machine === null) {
      const { transitionTable: object } = context.policy
      yield { object, message: `not checked: this login may not read ${object}, which names the state machines` }
      return
    }
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
      const guard = guards.find((trigger) => trigger.events.includes(event))
      if (guard) {
        for (const partition of switchedOffOn(table, guard, context)) {
          const message = `no enabled trigger enforces the states of ${machine} on ${event} in ${nameOf(partition)}`
          yield { object: nameOf(partition), message, position: partition.position }
        }
        continue
      }
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
  return trigger.timing === 'before' && trigger.level === 'row' && trigger.when === null && watches && fires(trigger)
}
