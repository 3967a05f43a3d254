import { randomBytes } from 'node:crypto'
import { nameOf, type VerifyContext } from '../context.ts'
import { untested, type Attempt } from './attempt.ts'
import { quoteName, quoteQualified } from './quote.ts'
import type { Querier } from './runner.ts'

/**
 * The application that a schema without roles will have: it may read and write every table, and owns none. Policies for
 * roles hold for it, too.
 */
export async function makeRole(db: Querier, context: VerifyContext): Promise<string> {
  const { catalog, tables } = context
  const role = `imhotep_attack_${randomBytes(6).toString('hex')}`
  await db.query(`create role ${role}`)
  for (const group of boundRoles(context).values())
    for (const { name, owns } of group) if (!owns) await db.query(`grant ${quoteName(name)} to ${role}`)
  const views = [...catalog.views.values()].filter((view) => !view.materialized)
  const relations = [...tables.filter((table) => table.partitionOf === null), ...views]
  for (const schema of new Set(relations.map((relation) => relation.schema))) {
    await db.query(`grant usage on schema ${quoteName(schema)} to ${role}`)
    await db.query(`grant usage on all sequences in schema ${quoteName(schema)} to ${role}`)
  }
  if (relations.length > 0) {
    const names = relations.map(quoteQualified).join(', ')
    await db.query(`grant select, insert, update, delete on ${names} to ${role}`)
  }
  return role
}

/** What the made-up role cannot try: who owns tables may do more than any application, so it is no member of that role. */
export function* gapsOfRole(role: string, context: VerifyContext): Generator<Attempt> {
  for (const [object, roles] of boundRoles(context))
    for (const { name, owns } of roles) {
      if (!owns) continue
      const reason = `a policy is for ${name}, which owns tables: attack as it with --role`
      yield { object, attempt: `${role}: as ${name}`, steps: [], judge: () => untested(reason) }
    }
}

/** `schema.table` -> the roles that permissive policies name, but those that may see everything on purpose or anyway. */
function boundRoles({ catalog, tenantTables, policy }: VerifyContext): Map<string, { name: string; owns: boolean }[]> {
  const owners = new Set(tenantTables.map((table) => table.owner))
  const allowed = (table: string, name: string) =>
    policy.allowedPolicies.find((entry) => entry.table === table && entry.policy === name)?.roles ?? []
  const found = new Map<string, { name: string; owns: boolean }[]>()
  for (const table of tenantTables) {
    const names = [...table.policies.values()]
      .filter((each) => each.permissive)
      .flatMap((each) => each.roles.filter((role) => !allowed(nameOf(table), each.name).includes(role)))
    const roles = [...new Set(names)]
      .map((name) => catalog.roles.get(name))
      .filter((role) => role !== undefined && !role.superuser && !role.bypassRls)
      .map((role) => role?.name ?? '')
      .filter((name) => !policy.platformRoles.includes(name) && name !== table.owner)
    if (roles.length > 0)
      found.set(
        nameOf(table),
        roles.map((name) => ({ name, owns: owners.has(name) })),
      )
  }
  return found
}

/** Roles -> themselves and every role that they are a member of. */
export async function readMemberships(db: Querier, roles: readonly string[]): Promise<Map<string, Set<string>>> {
  const rows = await db.query<{ role: string; granted: string }>(
    `select r.rolname as role, g.rolname as granted
     from pg_catalog.pg_roles r join pg_catalog.pg_roles g on g.oid = r.oid or (not r.rolsuper and pg_has_role(r.oid, g.oid, 'member'))
     where r.rolname in (select jsonb_array_elements_text($1::text::jsonb))`,
    [JSON.stringify(roles)],
  )
  const found = new Map<string, Set<string>>()
  for (const { role, granted } of rows) found.set(role, (found.get(role) ?? new Set()).add(granted))
  return found
}
