import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import type { Grant } from '../model.ts'
import { markUnknown, type Fold } from './fold.ts'
import { roleName, routineKey } from './grants.ts'
import { find, typeNamed } from './names.ts'
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
  const target = owned(fold, String(objectType), object)
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

function owned(fold: Fold, objectType: string, object: Node): Owned | undefined {
  const { catalog } = fold
  const names =
    'String' in object
      ? [object.String.sval ?? '']
      : path('List' in object ? object.List.items : 'TypeName' in object ? object.TypeName.names : [])
  const last = names.at(-1) ?? ''
  switch (objectType) {
    case 'OBJECT_SCHEMA':
      return catalog.schemas.get(last)
    case 'OBJECT_FUNCTION':
    case 'OBJECT_PROCEDURE':
    case 'OBJECT_ROUTINE':
    case 'OBJECT_AGGREGATE':
      return 'ObjectWithArgs' in object
        ? catalog.functions.get(routineKey(fold, object.ObjectWithArgs) ?? '')
        : undefined
    case 'OBJECT_TYPE':
    case 'OBJECT_DOMAIN':
      return catalog.types.get(typeNamed(fold, names).key)
    case 'OBJECT_STATISTIC_EXT':
      return catalog.statistics.get(find(fold, names, (key) => catalog.statistics.has(key)).key)
    case 'OBJECT_PUBLICATION':
      return catalog.publications.get(last)
    case 'OBJECT_EVENT_TRIGGER':
      return catalog.eventTriggers.get(last)
    default:
      return undefined
  }
}

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
