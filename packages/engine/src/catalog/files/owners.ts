import type { Node } from '../../parse/parser.ts'
import type { Grant } from '../model.ts'
import { markUnknown, type Fold } from './fold.ts'
import { roleName } from './grants.ts'
import { namedObject } from './named-object.ts'
import { findOther } from './others.ts'

interface Owned {
  owner: string | null
  grants?: Grant[]
}

/** Sets an owner; what is granted to an owner is not listed, he can always give it to himself. */
export function setOwner(target: Owned | undefined, owner: string): void {
  if (!target) return
  target.owner = owner
  if (target.grants) target.grants = target.grants.filter((grant) => grant.grantee !== owner)
}

/** A table's owner owns the sequences of its columns. */
export function setTableOwner(fold: Fold, key: string, owner: string): void {
  const { tables, views, sequences } = fold.catalog
  setOwner(tables.get(key) ?? views.get(key) ?? sequences.get(key), owner)
  for (const sequence of sequences.values()) if (sequence.ownedBy?.startsWith(`${key}.`)) setOwner(sequence, owner)
}

/** ALTER .. OWNER TO for what is no table. */
export function alterOwner(fold: Fold, node: Extract<Node, { AlterOwnerStmt: unknown }>['AlterOwnerStmt']): void {
  const owner = node.newowner ? roleName({ RoleSpec: node.newowner }) : ''
  const { object, objectType } = node
  if (!object) return
  const target = namedObject(fold, String(objectType), object)
  if (target) return setOwner(target, owner)
  if (!WITHOUT_OWNER.has(String(objectType)) && !findOther(fold, String(objectType), object))
    markUnknown(fold, `owner of ${String(objectType).replace('OBJECT_', '').replaceAll('_', ' ').toLowerCase()}`)
}

/** Of these the model holds no owner, or there is none among what the files made. */
const WITHOUT_OWNER = new Set([
  'OBJECT_DATABASE',
  'OBJECT_LARGEOBJECT',
  'OBJECT_TABLESPACE',
  'OBJECT_SUBSCRIPTION',
  'OBJECT_LANGUAGE',
])

/** REASSIGN OWNED: what is known to be theirs changes hands; who owns the rest only the server knows. */
export function reassignOwned(
  fold: Fold,
  node: Extract<Node, { ReassignOwnedStmt: unknown }>['ReassignOwnedStmt'],
): void {
  const roles = (node.roles ?? []).map(roleName)
  const owner = node.newrole ? roleName({ RoleSpec: node.newrole }) : ''
  const { schemas, types, sequences, tables, views, functions, statistics, publications, eventTriggers } = fold.catalog
  for (const map of [schemas, types, sequences, tables, views, functions, statistics, publications, eventTriggers]) {
    for (const item of map.values()) if (item.owner !== null && roles.includes(item.owner)) setOwner(item, owner)
  }
  markUnknown(fold, `reassign owned by ${roles.join(', ')}`)
}
