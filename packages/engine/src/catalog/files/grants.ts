import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { OTHER_RIGHTS, type DefaultPrivilege, type Grant, type ObjectWithRights } from '../model.ts'
import { changeGrant, defaultsOf, grantOf, grantsOfNew, type Granted } from './default-grants.ts'
import type { Fold } from './fold.ts'
import { typeText, withoutLength, type TypeNameLike } from './format-type.ts'
import { markUnknown } from './fold.ts'
import { findOther } from './others.ts'
import { relationName, routineNamed, typeNamed } from './names.ts'

type GrantNode = Extract<Node, { GrantStmt: unknown }>['GrantStmt']

export function roleName(role: Node): string {
  if (!('RoleSpec' in role)) return ''
  const { roletype, rolename } = role.RoleSpec
  if (roletype === 'ROLESPEC_PUBLIC') return 'public'
  return rolename ?? String(roletype).replace('ROLESPEC_', '').toLowerCase()
}

/** GRANT and REVOKE on objects. */
export function grant(fold: Fold, node: GrantNode): void {
  const isGrant = node.is_grant ?? false
  const grantees = (node.grantees ?? []).map(roleName)
  for (const [objects, target] of targets(fold, node)) {
    for (const { privilege, column } of privileges(fold, node.privileges, objects)) {
      for (const grantee of grantees) {
        if (node.grant_option && !isGrant) dropGrantOption(target, grantee, privilege, column)
        else changeGrant(target, { grantee, privilege, column, grantable: node.grant_option ?? false }, isGrant)
      }
    }
  }
}

function dropGrantOption(target: Granted, grantee: string, privilege: string, column: string | null): void {
  target.grants = target.grants.map((own) =>
    own.grantee === grantee && own.privilege === privilege && own.column === column
      ? { ...own, grantable: false }
      : own,
  )
}

function privileges(
  { options }: Fold,
  list: Node[] | undefined,
  objects: ObjectWithRights,
): Pick<Grant, 'privilege' | 'column'>[] {
  const all = allPrivileges(objects, options.serverVersion ?? 18)
  if (!list?.length) return all.map((privilege) => ({ privilege, column: null }))
  return list.flatMap((item): Pick<Grant, 'privilege' | 'column'>[] => {
    if (!('AccessPriv' in item)) return []
    const { priv_name, cols } = item.AccessPriv
    const names = priv_name ? [priv_name] : all
    const columns = path(cols)
    return names.flatMap((privilege): Pick<Grant, 'privilege' | 'column'>[] =>
      columns.length > 0 ? columns.map((column) => ({ privilege, column })) : [{ privilege, column: null }],
    )
  })
}

function allPrivileges(objects: ObjectWithRights, version: number): string[] {
  switch (objects) {
    case 'table':
      return [
        'insert',
        'select',
        'update',
        'delete',
        'truncate',
        'references',
        'trigger',
        ...(version >= 17 ? ['maintain'] : []),
      ]
    case 'sequence':
      return ['usage', 'select', 'update']
    case 'function':
      return ['execute']
    case 'schema':
      return ['usage', 'create']
    default:
      return ['usage']
  }
}

function targets(fold: Fold, node: GrantNode): [ObjectWithRights, Granted][] {
  const { catalog } = fold
  const kind = String(node.objtype)
  if (node.targtype === 'ACL_TARGET_ALL_IN_SCHEMA') return allInSchemas(fold, kind, path(node.objects))
  return (node.objects ?? []).flatMap((object): [ObjectWithRights, Granted][] => {
    if (kind === 'OBJECT_SCHEMA' && 'String' in object)
      return found('schema', catalog.schemas.get(object.String.sval ?? ''))
    if ((kind === 'OBJECT_TABLE' || kind === 'OBJECT_SEQUENCE') && 'RangeVar' in object) {
      const { key } = relationName(fold, object.RangeVar)
      const sequence = catalog.sequences.get(key)
      if (sequence) return found('sequence', sequence)
      return found(
        'table',
        catalog.tables.get(key) ?? catalog.views.get(key) ?? catalog.others.get(`foreign table ${key}`),
      )
    }
    if ('ObjectWithArgs' in object) return found('function', findRoutine(fold, object.ObjectWithArgs))
    if ((kind === 'OBJECT_TYPE' || kind === 'OBJECT_DOMAIN') && 'List' in object) {
      const type = catalog.types.get(typeNamed(fold, path(object.List.items)).key)
      return type ? found('type', type) : onOther(fold, 'OBJECT_TYPE', object)
    }
    return onOther(fold, kind, object)
  })
}

function onOther(fold: Fold, kind: string, object: Node): [ObjectWithRights, Granted][] {
  const other = fold.catalog.others.get(findOther(fold, kind, object)?.key ?? '')
  const objects = other && OTHER_RIGHTS[other.kind]
  return objects ? found(objects, other) : []
}

function found(objects: ObjectWithRights, target: Granted | undefined): [ObjectWithRights, Granted][] {
  return target ? [[objects, target]] : []
}

function allInSchemas({ catalog }: Fold, kind: string, schemas: string[]): [ObjectWithRights, Granted][] {
  const of = (
    objects: ObjectWithRights,
    items: Iterable<Granted & { schema: string }>,
  ): [ObjectWithRights, Granted][] =>
    [...items].filter((item) => schemas.includes(item.schema)).map((item) => [objects, item])
  if (kind === 'OBJECT_TABLE') {
    const foreign = [...catalog.others.values()].filter((other) => other.kind === 'foreign table')
    return of('table', [...catalog.tables.values(), ...catalog.views.values(), ...foreign])
  }
  if (kind === 'OBJECT_SEQUENCE') return of('sequence', catalog.sequences.values())
  const routines = [...catalog.functions.values()].filter(
    (routine) => kind === 'OBJECT_ROUTINE' || (routine.kind === 'procedure') === (kind === 'OBJECT_PROCEDURE'),
  )
  return of('function', routines)
}

type WithArgs = Extract<Node, { ObjectWithArgs: unknown }>['ObjectWithArgs']

/** The key of a routine named with its argument types, or by its name alone where that is enough. */
export function routineKey(fold: Fold, object: WithArgs): string | undefined {
  const { catalog } = fold
  const prefix = `${routineNamed(fold, path(object.objname)).key}(`
  if (object.args_unspecified) return [...catalog.functions.keys()].find((key) => key.startsWith(prefix))
  // `any` is written for `"any"`, and a length says nothing
  const types = (object.objargs ?? []).map((type) =>
    'TypeName' in type ? withoutLength(typeText(fold, type.TypeName as TypeNameLike)) : '',
  )
  const key = `${prefix}${types.join(', ')})`
  return catalog.functions.has(key) ? key : undefined
}

function findRoutine(fold: Fold, object: WithArgs): Granted | undefined {
  return fold.catalog.functions.get(routineKey(fold, object) ?? '')
}

const DEFAULT_OBJECTS: Record<string, DefaultPrivilege['objectType']> = {
  OBJECT_TABLE: 'table',
  OBJECT_SEQUENCE: 'sequence',
  OBJECT_FUNCTION: 'function',
  OBJECT_ROUTINE: 'function',
  OBJECT_TYPE: 'type',
  OBJECT_SCHEMA: 'schema',
}

/** ALTER DEFAULT PRIVILEGES, of whoever runs the files (owner null) or of the roles that it names. */
export function alterDefaultPrivileges(
  fold: Fold,
  node: Extract<Node, { AlterDefaultPrivilegesStmt: unknown }>['AlterDefaultPrivilegesStmt'],
): void {
  const option = (name: string) => {
    const item = (node.options ?? []).find((own) => 'DefElem' in own && own.DefElem.defname === name)
    const arg = item && 'DefElem' in item ? item.DefElem.arg : undefined
    return arg && 'List' in arg ? (arg.List.items ?? []) : []
  }
  const objects = DEFAULT_OBJECTS[String(node.action?.objtype)]
  if (!node.action || !objects) return markUnknown(fold, 'alter default privileges')
  const schemas = path(option('schemas'))
  const owners = option('roles').map(roleName)
  for (const owner of owners.length > 0 ? owners : [null])
    for (const schema of schemas.length > 0 ? schemas : [null])
      changeDefaults(fold, owner, schema, objects, node.action)
}

/** An entry that says what holds anyway is none. */
function changeDefaults(
  fold: Fold,
  owner: string | null,
  schema: string | null,
  objects: DefaultPrivilege['objectType'],
  node: GrantNode,
): void {
  const usual = schema === null ? grantsOfNew(objects) : []
  const before = defaultsOf(fold, owner, schema, objects)
  const target = { grants: before?.grants ?? usual }
  for (const grantee of (node.grantees ?? []).map(roleName)) {
    if (grantee === owner) continue
    for (const { privilege } of privileges(fold, node.privileges, objects)) {
      const isGrant = node.is_grant ?? false
      if (node.grant_option && !isGrant) dropGrantOption(target, grantee, privilege, null)
      else changeGrant(target, { ...grantOf(grantee, privilege), grantable: node.grant_option ?? false }, isGrant)
    }
  }
  const { defaultPrivileges } = fold.catalog
  if (before) defaultPrivileges.splice(defaultPrivileges.indexOf(before), 1)
  if (!isSameGrants(target.grants, usual))
    defaultPrivileges.push({ owner, schema, objectType: objects, grants: target.grants })
}

function isSameGrants(left: Grant[], right: Grant[]): boolean {
  const keys = (grants: Grant[]) => grants.map((own) => JSON.stringify(own)).toSorted()
  return keys(left).join() === keys(right).join()
}
