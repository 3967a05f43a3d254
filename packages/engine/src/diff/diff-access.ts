import { grantsOfNew } from '../catalog/files/default-grants.ts'
import type { Catalog, DefaultPrivilege, Grant } from '../catalog/model.ts'
import { accessibles, NEW_PUBLIC, ownerStatement, type Accessible } from '../print/print-access.ts'
import { defaultPrivilegeStatements, usualGrants } from '../print/print-default-privileges.ts'
import { grantStatements } from '../print/print-grants.ts'
import { isUnprintable } from '../print/print-other.ts'
import { ownedByStatement } from '../print/print-sequence.ts'
import type { Changes } from './changes.ts'
import { statement, type DiffStatement } from './diff-statement.ts'
import { mustGo } from './loosen.ts'

/** Owners, grants and default privileges, behind everything else. */
export function diffAccess(changes: Changes, left: Catalog, right: Catalog): DiffStatement[] {
  const before = accessibles(left)
  const owners: DiffStatement[] = []
  const grants: DiffStatement[] = []
  for (const [object, after] of accessibles(right)) {
    const own = before.get(object)
    const isNew = changes.isNew(object) || !own
    if (isNew && isUnprintable(right, object)) continue
    const owner = isNew ? null : own.owner
    const isLinked = after.followsTable && !changesTable(changes, left, right, object)
    if (!isLinked && mustChangeOwner(right, after, owner, isNew))
      owners.push(statement(object, ownerStatement(after, after.owner ?? '')))
    const start = isNew ? grantsAtStart(left, after) : keptGrants(changes, own)
    if (!isNew && !changes.properties(object).has('grants') && start.length === own.grants.length) continue
    grants.push(...grantStatements(after.grantTarget, start, after.grants).map((sql) => grantOf(object, sql)))
  }
  return [
    ...unlinkSequences(changes, left, right),
    ...owners,
    ...linkSequences(changes, left, right),
    ...grants,
    ...diffDefaultPrivileges(left, right),
  ]
}

/** A sequence that a column owns has the owner of its table: it is given away before it is linked. */
function changesTable(changes: Changes, left: Catalog, right: Catalog, object: string): boolean {
  const key = object.slice('sequence '.length)
  return changes.isNew(object) || left.sequences.get(key)?.ownedBy !== right.sequences.get(key)?.ownedBy
}

function unlinkSequences(changes: Changes, left: Catalog, right: Catalog): DiffStatement[] {
  return [...right.sequences].flatMap(([key, sequence]) => {
    const object = `sequence ${key}`
    const before = left.sequences.get(key)
    if (!before?.ownedBy || !changesTable(changes, left, right, object)) return []
    return statement(object, ownedByStatement({ ...sequence, ownedBy: null }))
  })
}

function linkSequences(changes: Changes, left: Catalog, right: Catalog): DiffStatement[] {
  return [...right.sequences].flatMap(([key, sequence]) => {
    const object = `sequence ${key}`
    if (sequence.ownedBy === null || !changesTable(changes, left, right, object)) return []
    return statement(object, ownedByStatement(sequence))
  })
}

function grantOf(object: string, sql: string): DiffStatement {
  return sql.startsWith('revoke') && !sql.endsWith(' from public')
    ? statement(object, sql, 'breaks clients', 'whoever needs it is refused')
    : statement(object, sql)
}

function mustChangeOwner(right: Catalog, after: Accessible, owner: string | null, isNew: boolean): boolean {
  if (after.owner === null || after.owner === owner) return false
  return isNew ? right.roles.get(after.owner)?.superuser !== true : owner !== null
}

/** What an object has when it was just made by whoever runs the statements. */
function grantsAtStart(left: Catalog, { kind, schema, object }: Accessible): readonly Grant[] {
  if (object === 'schema public') return NEW_PUBLIC.grants
  const entries = left.defaultPrivileges.filter((entry) => entry.objectType === kind && isOfRunner(left, entry))
  const all = entries.find((entry) => entry.schema === null)?.grants ?? grantsOfNew(kind)
  return [...all, ...(entries.find((entry) => entry.schema === schema)?.grants ?? [])]
}

/** A column that is dropped takes its grants with it, also when it is made again. */
function keptGrants(changes: Changes, { object, grants }: Accessible): readonly Grant[] {
  const isKept = (column: string) => !mustGo(changes, `column ${object.slice('table '.length)}.${column}`)
  return object.startsWith('table ') ? grants.filter(({ column }) => column === null || isKept(column)) : grants
}

function isOfRunner(catalog: Catalog, { owner }: DefaultPrivilege): boolean {
  return owner === null || catalog.roles.get(owner)?.superuser === true
}

function diffDefaultPrivileges(left: Catalog, right: Catalog): DiffStatement[] {
  const name = (catalog: Catalog, entry: DefaultPrivilege) =>
    `${isOfRunner(catalog, entry) ? '' : entry.owner} ${entry.schema ?? ''} ${entry.objectType}`
  const before = new Map(left.defaultPrivileges.map((entry) => [name(left, entry), entry]))
  const after = new Map(right.defaultPrivileges.map((entry) => [name(right, entry), entry]))
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key) => {
    const [old, own] = [before.get(key), after.get(key)]
    const entry = own ?? old
    if (!entry) return []
    const catalog = own ? right : left
    const usual = usualGrants(entry)
    return defaultPrivilegeStatements(catalog, entry, old?.grants ?? usual, own?.grants ?? usual).map((sql) =>
      statement(`default privileges on ${entry.objectType}s`, sql),
    )
  })
}
