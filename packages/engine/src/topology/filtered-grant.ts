import { ModuleError } from '../modules/module-error.ts'
import { path } from '../parse/references.ts'
import type { PlannedStatement } from '../plan/plan.ts'
import { grantParts, grantText } from './grant-parts.ts'

/** A GRANT or REVOKE of what is there, to roles that are there; null when nothing of it is left. */
export function filteredGrant(
  statement: PlannedStatement,
  isPresent: (kind: 'table' | 'function' | 'schema', name: string) => boolean,
  absentRoles: ReadonlySet<string>,
): PlannedStatement | null {
  if (!('GrantStmt' in statement.node)) return statement
  const { objects = [], grantees = [], objtype, targtype } = statement.node.GrantStmt
  const areSchemas = objtype === 'OBJECT_SCHEMA' || targtype === 'ACL_TARGET_ALL_IN_SCHEMA'
  const keepObject = objects.map((object) => {
    if ('RangeVar' in object) return isPresent('table', `${object.RangeVar.schemaname}.${object.RangeVar.relname}`)
    if ('ObjectWithArgs' in object) return isPresent('function', path(object.ObjectWithArgs.objname).join('.'))
    if ('String' in object) return !areSchemas || isPresent('schema', `${object.String.sval ?? ''}.`)
    if ('List' in object) return isPresent('schema', `${path(object.List.items)[0] ?? ''}.`)
    return true
  })
  const keepRole = grantees.map((role) => !('RoleSpec' in role) || !absentRoles.has(role.RoleSpec.rolename ?? ''))
  if (!keepObject.includes(true) || !keepRole.includes(true)) return null
  if (!keepObject.includes(false) && !keepRole.includes(false)) return statement
  const parts = grantParts(statement.text)
  if (!parts || parts.objects.length !== objects.length || parts.roles.length !== grantees.length) {
    throw new ModuleError([`line ${statement.line}: a grant that cannot be taken apart: ${statement.text}`])
  }
  const text = grantText({
    ...parts,
    objects: parts.objects.filter((_, n) => keepObject[n]),
    roles: parts.roles.filter((_, n) => keepRole[n]),
  })
  return { ...statement, text }
}
