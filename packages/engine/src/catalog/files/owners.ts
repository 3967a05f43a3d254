import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import type { Grant } from '../model.ts'
import { markUnknown, type Fold } from './fold.ts'
import { roleName, routineKey } from './grants.ts'
import { qualified } from './types.ts'

interface Owned {
  owner: string | null
  grants: Grant[]
}

/** Sets an owner; what is granted to an owner is not listed, he can always give it to himself. */
export function setOwner(target: Owned | undefined, owner: string): void {
  if (!target) return
  target.owner = owner
  target.grants = target.grants.filter((grant) => grant.grantee !== owner)
}

/** ALTER .. OWNER TO for what is no table. */
export function alterOwner(fold: Fold, node: Extract<Node, { AlterOwnerStmt: unknown }>['AlterOwnerStmt']): void {
  const owner = node.newowner ? roleName({ RoleSpec: node.newowner }) : ''
  const { object, objectType } = node
  const { catalog } = fold
  if (!object) return
  if (objectType === 'OBJECT_SCHEMA' && 'String' in object)
    return setOwner(catalog.schemas.get(object.String.sval ?? ''), owner)
  if ('ObjectWithArgs' in object)
    return setOwner(catalog.functions.get(routineKey(fold, object.ObjectWithArgs) ?? ''), owner)
  if ('List' in object || 'TypeName' in object) {
    const names = path('List' in object ? object.List.items : object.TypeName.names)
    return setOwner(catalog.types.get(qualified(names).join('.')), owner)
  }
  return markUnknown(fold, 'alter owner')
}
