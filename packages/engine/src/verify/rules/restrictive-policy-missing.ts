import type { Table } from '../../catalog/model.ts'
import { classOf, isProtected, nameOf, tenantColumnOf, type VerifyContext } from '../context.ts'
import { holdsForEveryRole, isAlwaysTrue } from '../policy-expression.ts'
import { defineRule } from '../rule.ts'

/** A restrictive policy that limits by one column, and a table that has the column. */
interface Limited {
  readonly table: Table
  readonly policy: string
  readonly column: string
}

export const restrictivePolicyMissing = defineRule<Limited>({
  id: 'restrictive-policy-missing',
  family: 'tenancy',
  severity: 'error',
  effect:
    'Most tables with this column limit further, by a restrictive policy, who of a tenant sees which rows; this table shows them to everybody of the tenant.',
  instead:
    'Give the table the same policy, restrictive, for all commands and for public. Where a function of the schema makes ' +
    'these policies, call it again in the migration that adds a table.',
  *subjects(context) {
    for (const policy of restrictivePolicies(context)) {
      const column = limitedColumn(policy, context)
      if (column === null) continue
      const tables = context.tenantTables.filter((table) => isConcerned(table, column, context))
      if (tables.filter(({ policies }) => policies.has(policy)).length * 2 < tables.length) continue
      for (const table of tables) yield { table, policy, column }
    }
  },
  *check({ table, policy: name, column }, context) {
    const object = nameOf(table)
    const policy = table.policies.get(name)
    const named = `policy ${name} on ${object} (class=${classOf(table, context)})`
    const position = policy?.position ?? table.position
    if (!policy) yield { object, message: `no ${named}, which has a column ${column}`, position }
    else if (policy.permissive)
      yield { object, message: `${named} is permissive: it opens instead of limiting`, position }
    else if (policy.command !== 'all' || !holdsForEveryRole(policy))
      yield { object, message: `${named} does not hold for every command and role`, position }
    else if ([policy.using, policy.withCheck].some((text) => text !== null && isAlwaysTrue(text)))
      yield { object, message: `${named} is always true: it limits nothing`, position }
  },
})

function restrictivePolicies({ tenantTables }: VerifyContext): Set<string> {
  return new Set(
    tenantTables.flatMap(({ policies }) =>
      [...policies.values()].filter(({ permissive }) => !permissive).map(({ name }) => name),
    ),
  )
}

/** The column that most policies of that name compare, beside the tenant. */
function limitedColumn(policy: string, context: VerifyContext): string | null {
  const uses = new Map<string, number>()
  for (const table of context.tenantTables) {
    const words = new Set(table.policies.get(policy)?.using?.match(/\w+/g))
    for (const column of table.columns.keys())
      if (words.has(column) && column !== tenantColumnOf(table, context)) uses.set(column, (uses.get(column) ?? 0) + 1)
  }
  const [most] = [...uses].toSorted(([, a], [, b]) => b - a)
  return most?.[0] ?? null
}

/** The log is read by few, and they read all of it. */
function isConcerned(table: Table, column: string, context: VerifyContext): boolean {
  const isLog = table.schema === context.policy.auditSchema
  return table.partitionOf === null && table.columns.has(column) && isProtected(table, context) && !isLog
}
