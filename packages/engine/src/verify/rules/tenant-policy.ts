import type { Policy, Table } from '../../catalog/model.ts'
import { nameOf, scopeOf, tenantColumnOf, type VerifyContext } from '../context.ts'
import { plainExpression } from '../expression.ts'
import { defineRule } from '../rule.ts'

export const tenantPolicy = defineRule<Table>({
  id: 'tenant-policy',
  family: 'tenancy',
  severity: 'error',
  effect:
    'Permissive policies are joined by OR: one that is wider than the canonical text opens the table to other ' +
    'tenants; a slower form costs up to thousands of times the plain query.',
  instead:
    'Write the one canonical policy, USING and WITH CHECK: (tenant_id = (select core.current_tenant_id())); ' +
    'restrict further with restrictive policies only.',
  subjects: (context) => context.tenantTables,
  *check(table, context) {
    const object = nameOf(table)
    const { policy } = context
    const isolation = table.policies.get(policy.isolationPolicy)
    if (!isolation) {
      yield { object, message: `${object} has no policy ${policy.isolationPolicy}`, position: table.position }
    } else {
      for (const message of flawsOf(isolation, tenantColumnOf(table, context), policy.contextFunction)) {
        yield { object, message: `policy ${isolation.name} on ${object} ${message}`, position: isolation.position }
      }
    }
    for (const other of table.policies.values()) {
      if (other === isolation || !other.permissive || isAllowed(other, table, context)) continue
      yield {
        object,
        message: `permissive policy ${other.name} on ${object} opens more than the tenant's own rows`,
        position: other.position,
        fix: `drop policy ${other.name} on ${object};`,
      }
    }
  },
})

function* flawsOf(policy: Policy, column: string, contextFunction: string): Generator<string> {
  if (!policy.permissive) yield 'is restrictive: nothing is visible without a permissive one'
  if (policy.command !== 'all') yield `covers ${policy.command} only`
  if (policy.roles.length !== 1 || policy.roles[0] !== 'public') yield 'does not hold for every role'
  // The second form is for distributed tables, where sub-selects in policies are refused.
  const accepted = [`${column}=select${contextFunction}`, `${column}=${contextFunction}`]
  for (const [clause, text] of [
    ['USING', policy.using],
    ['WITH CHECK', policy.withCheck],
  ] as const) {
    if (text === null) yield `has no ${clause}`
    else if (!accepted.includes(plainExpression(text))) yield `has another ${clause} than the canonical text`
  }
}

function isAllowed(policy: Policy, table: Table, context: VerifyContext): boolean {
  const scope = scopeOf(table, context)
  const conventions = context.policy
  if (scope === 'shared' && policy.name === conventions.sharedPolicy) {
    const opens = policy.using === null ? '' : plainExpression(policy.using)
    return policy.command === 'select' && opens === `${conventions.tenantColumn}isnull`
  }
  const onlyFor = (roles: readonly string[]) => policy.roles.every((role) => roles.includes(role))
  if (scope === 'root' && onlyFor(conventions.platformRoles)) return true
  return conventions.allowedPolicies.some(
    (allowed) => allowed.table === nameOf(table) && allowed.policy === policy.name && onlyFor(allowed.roles),
  )
}
