import type { Constraint, Table } from '../../catalog/model.ts'
import { fires } from '../clones.ts'
import { nameOf, scopeOf, type VerifyContext } from '../context.ts'
import { defineRule } from '../rule.ts'

interface Reference {
  readonly table: Table
  readonly key: Constraint
  readonly target: Table
}

export const foreignKeyCarriesTenant = defineRule<Reference>({
  id: 'foreign-key-carries-tenant',
  family: 'tenancy',
  severity: 'error',
  effect: "A row can point to another tenant's row, and the error tells whether that row exists.",
  instead:
    'foreign key (tenant_id, x_id) references t (tenant_id, id) on delete restrict or cascade; to a table with ' +
    'scope=shared: (x_id) references t (id) and the trigger core.check_shared_reference.',
  *subjects(context) {
    for (const table of context.tenantTables) {
      for (const key of table.constraints.values()) {
        const target = key.kind === 'foreign key' ? context.catalog.tables.get(key.references ?? '') : undefined
        if (target) yield { table, key, target }
      }
    }
  },
  *check({ table, key, target }, context) {
    const at = { object: nameOf(table), position: key.position ?? table.position }
    const title = `foreign key ${key.name} of ${nameOf(table)}`
    if (scopeOf(target, context) === 'tenant' && !pairsTenants(key, context)) {
      yield { ...at, message: `${title} to ${nameOf(target)} does not carry ${context.policy.tenantColumn}` }
    }
    if (scopeOf(target, context) === 'shared' && !pairsTenants(key, context)) {
      for (const column of key.columns) {
        if (isCheckedByTrigger(table, column, target, context)) continue
        yield { ...at, message: `${title} to the shared table ${nameOf(target)}: no trigger checks whose row it is` }
      }
    }
    for (const [event, action] of [
      ['delete', key.onDelete],
      ['update', key.onUpdate],
    ] as const) {
      if (!key.columns.includes(context.policy.tenantColumn)) break
      const sets = (action === 'set null' || action === 'set default') && !sparesTenant(key, context)
      const refused = sets || (event === 'update' && action === 'cascade')
      if (refused)
        yield { ...at, message: `${title} would change ${context.policy.tenantColumn}: on ${event} ${action}` }
    }
  },
})

function pairsTenants(key: Constraint, context: VerifyContext): boolean {
  const column = context.policy.tenantColumn
  return key.columns.some((name, index) => name === column && key.referencedColumns[index] === column)
}

/** `on delete set null (x_id)` names the columns that it sets. */
function sparesTenant({ definition }: Constraint, { policy }: VerifyContext): boolean {
  const columns = /\bon delete set (?:null|default) \(([^)]*)\)/i.exec(definition)?.[1]
  return columns !== undefined && !columns.split(', ').includes(policy.tenantColumn)
}

function isCheckedByTrigger(table: Table, column: string, target: Table, context: VerifyContext): boolean {
  return [...table.triggers.values()].some(
    (trigger) =>
      trigger.function === context.policy.sharedReferenceFunction &&
      trigger.arguments[0] === column &&
      trigger.arguments[1] === nameOf(target) &&
      trigger.timing === 'before' &&
      trigger.when === null &&
      trigger.events.includes('insert') &&
      trigger.events.includes('update') &&
      fires(trigger),
  )
}
