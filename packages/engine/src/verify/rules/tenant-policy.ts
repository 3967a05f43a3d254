import type { Policy, Table } from '../../catalog/model.ts'
import { quoteIdentifier } from '../../bundle/quote.ts'
import { qualified } from '../../print/sql-text.ts'
import { nameOf, scopeOf, tenantColumnOf, type VerifyContext } from '../context.ts'
import { matchesName } from '../match-name.ts'
import { holdsForEveryRole, isCanonical, isUnowned, policyFlaws } from '../policy-expression.ts'
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
    const isolation = isolationOf(table, context)
    if (!isolation) {
      yield { object, message: `${object} has no policy ${policy.isolationPolicy}`, position: table.position }
    } else {
      for (const message of flawsOf(isolation, table, context)) {
        yield { object, message: `policy ${isolation.name} on ${object} ${message}`, position: isolation.position }
      }
    }
    for (const other of table.policies.values()) {
      if (other === isolation || !other.permissive || isAllowed(other, table, context)) continue
      if (keepsToTenant(other, table, context)) continue
      yield {
        object,
        message: `permissive policy ${other.name} on ${object} opens more than the tenant's own rows`,
        position: other.position,
        fix: `drop policy ${quoteIdentifier(other.name)} on ${qualified(table)};`,
      }
    }
  },
})

/** The policy of that name; where the name is a pattern, a permissive one for every command before others. */
function isolationOf(table: Table, { policy }: VerifyContext): Policy | undefined {
  const exact = table.policies.get(policy.isolationPolicy)
  if (exact) return exact
  const named = [...table.policies.values()].filter(({ name }) => matchesName(policy.isolationPolicy, name))
  return named.find(({ permissive, command }) => permissive && command === 'all') ?? named[0]
}

function* flawsOf(policy: Policy, table: Table, context: VerifyContext): Generator<string> {
  const column = tenantColumnOf(table, context)
  if (!policy.permissive) yield 'is restrictive: nothing is visible without a permissive one'
  if (policy.command !== 'all' && !coversEachCommand(table, context)) yield `covers ${policy.command} only`
  if (!holdsForEveryRole(policy)) yield 'does not hold for every role'
  for (const [clause, text] of [
    ['USING', policy.using],
    ['WITH CHECK', policy.withCheck],
  ] as const) {
    if (text === null && !clausesOf(policy.command).includes(clause)) continue
    if (text === null) yield `has no ${clause}`
    else if (!isCanonical(text, column, context.policy)) {
      const flaws = policyFlaws(text, context)
      yield `has another ${clause} than the canonical text${flaws.length > 0 ? `: ${flaws.join(', ')}` : ''}`
    }
  }
}

/** Some schemas write a policy a command instead of one for all. */
function coversEachCommand(table: Table, context: VerifyContext): boolean {
  const kept = [...table.policies.values()].filter((policy) => keepsToTenant(policy, table, context))
  return (['select', 'insert', 'update', 'delete'] as const).every((command) =>
    kept.some((policy) => policy.permissive && policy.command === command),
  )
}

/** The canonical text in each clause that the command has. */
function keepsToTenant(policy: Policy, table: Table, context: VerifyContext): boolean {
  const column = tenantColumnOf(table, context)
  return clausesOf(policy.command).every((clause) => {
    const text = clause === 'USING' ? policy.using : policy.withCheck
    return text !== null && isCanonical(text, column, context.policy)
  })
}

function clausesOf(command: Policy['command']): readonly ('USING' | 'WITH CHECK')[] {
  if (command === 'insert') return ['WITH CHECK']
  return command === 'select' || command === 'delete' ? ['USING'] : ['USING', 'WITH CHECK']
}

/** A permissive policy beside the isolation that the conventions know. */
export function isAllowed(policy: Policy, table: Table, context: VerifyContext): boolean {
  const scope = scopeOf(table, context)
  const conventions = context.policy
  if (scope === 'shared' && policy.name === conventions.sharedPolicy) {
    return policy.command === 'select' && policy.using !== null && isUnowned(policy.using, conventions.tenantColumn)
  }
  const onlyFor = (roles: readonly string[]) => policy.roles.every((role) => roles.includes(role))
  if (scope === 'root' && onlyFor(conventions.platformRoles)) return true
  return conventions.allowedPolicies.some(
    (allowed) => allowed.table === nameOf(table) && allowed.policy === policy.name && onlyFor(allowed.roles),
  )
}
