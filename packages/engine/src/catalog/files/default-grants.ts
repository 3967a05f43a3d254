import type { DefaultPrivilege, Grant, ObjectWithRights } from '../model.ts'
import type { Fold } from './fold.ts'

/** Privileges that a new object starts with: PostgreSQL's own and those of ALTER DEFAULT PRIVILEGES. */
export function defaultGrants(fold: Fold, objects: ObjectWithRights, schema: string): Grant[] {
  const target = { grants: [...(defaultsOf(fold, null, null, objects)?.grants ?? grantsOfNew(objects))] }
  for (const own of defaultsOf(fold, null, schema, objects)?.grants ?? []) changeGrant(target, own, true)
  return target.grants
}

export function defaultsOf(
  { catalog }: Fold,
  owner: string | null,
  schema: string | null,
  objects: ObjectWithRights,
): DefaultPrivilege | undefined {
  return catalog.defaultPrivileges.find(
    (own) => own.owner === owner && own.schema === schema && own.objectType === objects,
  )
}

/** What PostgreSQL grants to everybody when it makes an object of a kind. */
export function grantsOfNew(objects: ObjectWithRights): Grant[] {
  if (objects === 'function') return [grantOf('public', 'execute')]
  return objects === 'type' || objects === 'language' ? [grantOf('public', 'usage')] : []
}

export function grantOf(grantee: string, privilege: string): Grant {
  return { grantee, privilege, column: null, grantable: false }
}

/** What something is granted on. */
export interface Granted {
  readonly owner?: string | null
  grants: Grant[]
}

/** Gives or takes one privilege; an owner always has his. */
export function changeGrant(target: Granted, grant: Grant, isGrant: boolean): void {
  if (target.owner !== undefined && target.owner === grant.grantee) return
  const same = (own: Grant) =>
    own.grantee === grant.grantee && own.privilege === grant.privilege && own.column === grant.column
  const before = target.grants.find(same)
  // A privilege on a table that is taken away goes from its columns too.
  const others = target.grants.filter((own) => !same(own) && (isGrant || !isColumnOf(own, grant)))
  target.grants = isGrant
    ? [...others, { ...grant, grantable: grant.grantable || (before?.grantable ?? false) }]
    : others
}

function isColumnOf(own: Grant, grant: Grant): boolean {
  return (
    grant.column === null && own.column !== null && own.grantee === grant.grantee && own.privilege === grant.privilege
  )
}
