import { quoteIdentifier } from '../bundle/quote.ts'
import type { Policy, Table } from '../catalog/model.ts'
import { rlsStatements } from './print-table.ts'
import { unplaced, type UnplacedObject } from './printed-object.ts'
import { inParentheses, lowerCase, qualified, quoteRole } from './sql-text.ts'

const PLACE = { section: 'policies', phase: 'policies' } as const

/** Row level security of a table: the switch, then its policies. */
export function printPolicies(table: Table): UnplacedObject[] {
  const key = `${table.schema}.${table.name}`
  const security = rlsStatements(table)
  return [
    ...(security.length > 0 ? [unplaced(`table ${key}`, table.schema, PLACE, security, { owner: key })] : []),
    ...[...table.policies.values()].map((policy) =>
      unplaced(`policy ${policy.name} on ${key}`, table.schema, PLACE, [policyStatement(table, policy)], {
        owner: key,
      }),
    ),
  ]
}

export function policyStatement(table: Table, policy: Policy): string {
  return [
    `create policy ${quoteIdentifier(policy.name)} on ${qualified(table)}`,
    ...(policy.permissive ? [] : ['  as restrictive']),
    ...(policy.command === 'all' ? [] : [`  for ${policy.command}`]),
    ...(isEverybody(policy) ? [] : [`  to ${policy.roles.map(quoteRole).join(', ')}`]),
    ...(policy.using === null ? [] : [`  using ${inParentheses(lowerCase(policy.using))}`]),
    ...(policy.withCheck === null ? [] : [`  with check ${inParentheses(lowerCase(policy.withCheck))}`]),
  ].join('\n')
}

function isEverybody({ roles }: Policy): boolean {
  return roles.length === 0 || (roles.length === 1 && roles[0] === 'public')
}
