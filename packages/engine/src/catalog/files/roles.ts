import type { Node } from '../../parse/parser.ts'
import { membershipOf, unusualMemberships } from '../memberships.ts'
import type { Membership, Role } from '../model.ts'
import { roleName } from './grants.ts'
import type { Fold } from './fold.ts'

export function createRole(fold: Fold, node: Extract<Node, { CreateRoleStmt: unknown }>['CreateRoleStmt']): void {
  const name = node.role ?? ''
  if (fold.catalog.roles.has(name)) return
  const role: Role = {
    name,
    login: node.stmt_type === 'ROLESTMT_USER',
    superuser: false,
    bypassRls: false,
    inherit: true,
    memberOf: [],
    memberships: {},
    position: fold.position,
  }
  fold.catalog.roles.set(name, { ...role, ...roleOptions(node.options) })
}

export function alterRole(fold: Fold, node: Extract<Node, { AlterRoleStmt: unknown }>['AlterRoleStmt']): void {
  const name = node.role ? roleName({ RoleSpec: node.role }) : ''
  const role = fold.catalog.roles.get(name)
  if (role) fold.catalog.roles.set(name, { ...role, ...roleOptions(node.options) })
}

const FLAGS: Record<string, 'login' | 'superuser' | 'bypassRls' | 'inherit'> = {
  canlogin: 'login',
  superuser: 'superuser',
  bypassrls: 'bypassRls',
  inherit: 'inherit',
}

function roleOptions(options: Node[] | undefined): Partial<Role> {
  const result: { -readonly [key in keyof Role]?: Role[key] } = {}
  for (const option of options ?? []) {
    if (!('DefElem' in option)) continue
    const { defname = '', arg } = option.DefElem
    const flag = FLAGS[defname]
    if (flag) result[flag] = arg !== undefined && 'Boolean' in arg && arg.Boolean.boolval === true
    if (defname === 'addroleto' && arg && 'List' in arg)
      result.memberOf = (arg.List.items ?? []).map(roleName).toSorted()
  }
  return result
}

/** GRANT and REVOKE of membership. */
export function grantRole(fold: Fold, node: Extract<Node, { GrantRoleStmt: unknown }>['GrantRoleStmt']): void {
  const groups = (node.granted_roles ?? []).map((item) =>
    'AccessPriv' in item ? (item.AccessPriv.priv_name ?? '') : '',
  )
  const options = membershipOptions(node.opt, node.is_grant === true)
  // REVOKE .. OPTION FOR leaves the membership.
  const isKept = node.is_grant === true || Object.keys(options).length > 0
  for (const name of (node.grantee_roles ?? []).map(roleName)) {
    const role = fold.catalog.roles.get(name)
    if (!role) continue
    const others = role.memberOf.filter((group) => !groups.includes(group))
    const added = isKept ? groups.filter((group) => node.is_grant || role.memberOf.includes(group)) : []
    const memberOf = [...others, ...added].toSorted()
    const all = memberOf.map((group) => {
      const own = membershipOf(role, group)
      return [group, added.includes(group) ? { ...own, ...options } : own] as const
    })
    const memberships = unusualMemberships(Object.fromEntries(all), role.inherit)
    fold.catalog.roles.set(name, { ...role, memberOf, memberships })
  }
}

function membershipOptions(options: Node[] | undefined, isGrant: boolean): Partial<Membership> {
  const found = (options ?? []).flatMap((option) => ('DefElem' in option ? [option.DefElem] : []))
  return Object.fromEntries(
    found.map(({ defname, arg }) => [
      defname ?? '',
      isGrant && arg !== undefined && 'Boolean' in arg && arg.Boolean.boolval === true,
    ]),
  )
}

export function dropRoles(fold: Fold, node: Extract<Node, { DropRoleStmt: unknown }>['DropRoleStmt']): void {
  for (const role of node.roles ?? []) fold.catalog.roles.delete(roleName(role))
}
