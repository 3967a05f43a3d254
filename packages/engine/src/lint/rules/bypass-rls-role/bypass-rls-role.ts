import type { LintRule } from '../../rule.ts'

export const bypassRlsRole: LintRule = {
  id: 'bypass-rls-role',
  family: 'tenancy',
  severity: 'error',
  effect:
    'No policy holds this role: whoever logs in as it, or is a member of it, reads and writes the rows of everybody.',
  instead:
    'Leave such roles to the administrators of the server; a job for all tenants takes them one after the other.',
  on: ['CreateRoleStmt', 'AlterRoleStmt'],
  *check({ node, start }) {
    const [role, options] =
      'CreateRoleStmt' in node
        ? [node.CreateRoleStmt.role, node.CreateRoleStmt.options]
        : 'AlterRoleStmt' in node
          ? [node.AlterRoleStmt.role?.rolename, node.AlterRoleStmt.options]
          : [undefined, undefined]
    for (const option of options ?? []) {
      if (!('DefElem' in option)) continue
      const { defname = '', arg, location } = option.DefElem
      const right = RIGHTS[defname]
      if (right === undefined || !arg || !('Boolean' in arg) || arg.Boolean.boolval !== true) continue
      yield { at: location ?? start, object: role ?? null, message: `role '${role ?? ''}' becomes ${right}` }
    }
  },
}

const RIGHTS: Readonly<Record<string, string>> = {
  bypassrls: 'one that passes by every policy',
  superuser: 'a superuser',
}
