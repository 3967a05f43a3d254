import type { Grant } from '../../../catalog/model.ts'
import type { ParsedStatement } from '../../../parse/parse-sql.ts'
import { isCalled, laterStatements } from '../../destruction/later-statements.ts'
import { relationKey } from '../../history/names.ts'
import type { LintRule } from '../../rule.ts'

export const privilegeRevoked: LintRule = {
  id: 'privilege-revoked',
  family: 'destruction',
  severity: 'warning',
  effect: 'Running clients that log in as the role fail at the next statement that needs the privilege.',
  instead: 'Deploy code that no longer needs it, then revoke it in a later file.',
  on: ['GrantStmt', 'GrantRoleStmt'],
  *check(statement, moment) {
    const { node } = statement
    if ('GrantRoleStmt' in node && !node.GrantRoleStmt.is_grant) {
      const [granted] = (node.GrantRoleStmt.granted_roles ?? []).flatMap((item) =>
        'AccessPriv' in item ? [item.AccessPriv.priv_name] : [],
      )
      for (const role of rolesOf(node.GrantRoleStmt.grantee_roles ?? [])) {
        if (moment.catalog.roles.get(role)?.memberOf.includes(granted ?? ''))
          yield { object: role, message: `'${role}' loses all that role '${granted}' may` }
      }
    }
    if (!('GrantStmt' in node) || node.GrantStmt.is_grant || node.GrantStmt.objtype !== 'OBJECT_TABLE') return
    const { objects = [], grantees = [], privileges = [] } = node.GrantStmt
    const names = privileges.flatMap((item) => ('AccessPriv' in item ? [item.AccessPriv.priv_name ?? 'all'] : []))
    for (const object of objects) {
      if (!('RangeVar' in object)) continue
      const table = relationKey(object.RangeVar)
      const grants = moment.catalog.tables.get(table)?.grants ?? moment.catalog.views.get(table)?.grants ?? []
      if (moment.isNew(table)) continue
      for (const role of rolesOf(grantees)) {
        const lost = lostPrivileges(grants, role, names)
        if (lost.length === 0 || laterStatements(statement, moment.file).some((other) => grantsTo(other, table, role)))
          continue
        yield { object: table, message: `'${role}' may no longer ${lost.join(', ')} on '${table}'` }
      }
    }
  },
}

/** What an earlier file gave and this takes; nothing for what nobody gave. */
function lostPrivileges(grants: readonly Grant[], role: string, names: readonly string[]): string[] {
  const own = grants.filter(({ grantee, column }) => grantee === role && column === null)
  return own.flatMap(({ privilege }) => (names.length === 0 || names.includes(privilege) ? privilege : [])).toSorted()
}

function rolesOf(nodes: readonly object[]): string[] {
  return nodes.flatMap((item) => {
    const role = (item as { RoleSpec?: { rolename?: string; roletype?: string } }).RoleSpec
    return role?.roletype === 'ROLESPEC_CSTRING' && role.rolename ? [role.rolename] : []
  })
}

function grantsTo({ node }: ParsedStatement, table: string, role: string): boolean {
  if (!('GrantStmt' in node) || !node.GrantStmt.is_grant) return false
  const { objects = [], grantees = [] } = node.GrantStmt
  const isOn = objects.some((object) => 'RangeVar' in object && isCalled(relationKey(object.RangeVar), table))
  return isOn && rolesOf(grantees).includes(role)
}
