import { grantsOfNew } from '../catalog/files/default-grants.ts'
import { quoteIdentifier } from '../bundle/quote.ts'
import type { Catalog, DefaultPrivilege } from '../catalog/model.ts'
import { grantStatements } from './print-grants.ts'
import { unplaced, type UnplacedObject } from './printed-object.ts'

export function printDefaultPrivileges(catalog: Catalog, entry: DefaultPrivilege): UnplacedObject {
  const place = { section: 'grants', phase: 'default privileges' } as const
  const before = usualGrants(entry)
  return unplaced(`default privileges on ${entry.objectType}s`, entry.schema ?? '', place, [
    ...defaultPrivilegeStatements(catalog, entry, before, entry.grants),
  ])
}

/** What everybody gets without an entry; an entry for one schema starts from nothing. */
export function usualGrants({ schema, objectType }: DefaultPrivilege): DefaultPrivilege['grants'] {
  return schema === null ? grantsOfNew(objectType) : []
}

/** ALTER DEFAULT PRIVILEGES; those of a superuser are those of whoever runs the script. */
export function defaultPrivilegeStatements(
  catalog: Catalog,
  { owner, schema, objectType }: DefaultPrivilege,
  before: DefaultPrivilege['grants'],
  after: DefaultPrivilege['grants'],
): string[] {
  const role = owner === null || catalog.roles.get(owner)?.superuser ? '' : ` for role ${quoteIdentifier(owner)}`
  const where = schema === null ? '' : ` in schema ${quoteIdentifier(schema)}`
  return grantStatements(`${objectType}s`, before, after).map(
    (statement) => `alter default privileges${role}${where} ${statement}`,
  )
}
