import type { Table } from '../../catalog/model.ts'
import {
  classOf,
  isGlobalByPolicy,
  nameOf,
  scopeOf,
  statedScope,
  tenantColumnOf,
  topOf,
  type VerifyContext,
} from '../context.ts'
import { defineRule } from '../rule.ts'
import { parseTags } from '../tags.ts'

export const tenantColumn = defineRule<Table>({
  id: 'tenant-column',
  family: 'tenancy',
  severity: 'error',
  effect: 'A row without a tenant belongs to nobody and is invisible to everybody, or visible to all.',
  instead:
    'Give the table tenant_id uuid not null; nullable only with scope=shared; none at all with scope=global. Where it is ' +
    "everybody's on purpose, an entry { match, scope: 'global' } under verify.tables of the config says so.",
  subjects: (context) => context.tables,
  *check(table, context) {
    const object = nameOf(table)
    const scope = scopeOf(table, context)
    const name = tenantColumnOf(table, context)
    const column = table.columns.get(name)
    const at = { object, position: column?.position ?? table.position }
    // A table that has the column is held to it, whatever its comment says.
    if (column && parseTags(topOf(table, context.catalog).comment).get('scope') === 'global') {
      yield { ...at, message: `${object} says scope=global and has a column ${name}` }
    }
    if (scope === 'global') {
      if (table.partitionOf === null && !isGlobalByPolicy(table, context))
        for (const message of leaksOf(table, context)) yield { ...at, message }
      return
    }
    if (!column) {
      yield { ...at, message: `${object} is of scope ${scope} and has no column ${name}` }
      return
    }
    const { tenantType } = context.policy
    if (column.type !== tenantType) yield { ...at, message: `${object}.${name} is ${column.type}, not ${tenantType}` }
    // What merely follows from the column cannot excuse it.
    if (!column.notNull && statedScope(table, context) !== 'shared')
      yield { ...at, message: `${object}.${name} can be null` }
    if (column.default !== null && scope !== 'root') {
      yield { ...at, message: `${object}.${name} has a default: a row must say whose it is` }
    }
  },
})

/** A table of no tenant that holds rows of tenants. */
function* leaksOf(table: Table, context: VerifyContext): Generator<string> {
  const object = nameOf(table)
  const name = classOf(table, context)
  const readers = new Set(table.grants.map(({ grantee }) => grantee).filter((role) => isOfApplications(role, context)))
  if ((name === 'phi' || name === 'pii') && readers.size > 0)
    yield `${object} (class=${name}) is of scope global, and ${[...readers].join(', ')} reads the rows of all tenants`
  if (table.rlsEnabled && table.policies.size > 0) return
  for (const key of table.constraints.values()) {
    const target = key.kind === 'foreign key' ? context.catalog.tables.get(key.references ?? '') : undefined
    if (target && target !== table && scopeOf(target, context) === 'tenant')
      yield `${object} is of scope global, and foreign key ${key.name} points to the tenant table ${nameOf(target)}`
  }
}

function isOfApplications(role: string, { applicationRoles, applicationLogins }: VerifyContext): boolean {
  return role === 'public' || applicationRoles.has(role) || applicationLogins.includes(role)
}
