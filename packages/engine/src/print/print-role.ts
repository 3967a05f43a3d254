import { quoteIdentifier, quoteLiteral } from '../bundle/quote.ts'
import { membershipOf } from '../catalog/memberships.ts'
import type { Role } from '../catalog/model.ts'
import { unplaced, type UnplacedObject } from './printed-object.ts'

/** Roles belong to the server, which may have them from another database: they are made only where they are missing. */
export function printRole(role: Role): UnplacedObject {
  return unplaced(`role ${role.name}`, '', { section: 'roles', phase: 'roles' }, roleStatements(role))
}

export function roleStatements(role: Role): string[] {
  const name = quoteIdentifier(role.name)
  return [
    `do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = ${quoteLiteral(role.name)}) then
    create role ${name} ${roleOptions(role)};
  end if;
end
$$`,
    ...role.memberOf.map((group) => membershipStatement(role, group)),
  ]
}

/** Other options than ADMIN there are from PostgreSQL 16 on. */
export function membershipStatement(role: Role, group: string): string {
  const { admin, inherit, set } = membershipOf(role, group)
  const isUsual = inherit === role.inherit && set
  const options = isUsual ? (admin ? ' with admin option' : '') : ` with admin ${admin}, inherit ${inherit}, set ${set}`
  return `grant ${quoteIdentifier(group)} to ${quoteIdentifier(role.name)}${options}`
}

export function roleOptions({ login, superuser, bypassRls, inherit }: Role): string {
  return [
    login ? 'login' : 'nologin',
    ...(superuser ? ['superuser'] : []),
    ...(inherit ? [] : ['noinherit']),
    ...(bypassRls ? ['bypassrls'] : []),
  ].join(' ')
}
