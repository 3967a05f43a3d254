import { quoteIdentifier } from '../bundle/quote.ts'
import { grantsOfNew } from '../catalog/files/default-grants.ts'
import { OTHER_RIGHTS, type Catalog, type Grant, type ObjectWithRights, type Schema } from '../catalog/model.ts'
import { grantStatements, routineSignature } from './print-grants.ts'
import { isUnprintable, otherTarget } from './print-other.ts'
import { routineTarget } from './print-routine.ts'
import { viewTarget } from './print-view.ts'
import { unplaced, type UnplacedObject } from './printed-object.ts'
import { qualified, quoteRole } from './sql-text.ts'

/** An object that has an owner and grants. */
export interface Accessible {
  /** `table a.b`, as differences name it. */
  readonly object: string
  readonly schema: string
  /** What stands behind ALTER: `table a.b`, `function a.f(text)`. */
  readonly target: string
  /** What stands behind GRANT .. ON: `table a.b`, `schema a`. */
  readonly grantTarget: string
  readonly kind: ObjectWithRights
  readonly owner: string | null
  readonly grants: readonly Grant[]
  /** True for a sequence that follows its table. */
  readonly followsTable: boolean
}

/** Every object of a catalog that has an owner and grants, in the order of the model. */
export function accessibles(catalog: Catalog): Map<string, Accessible> {
  const found = new Map<string, Accessible>()
  const add = (accessible: Omit<Accessible, 'followsTable'>, followsTable = false) =>
    found.set(accessible.object, { ...accessible, followsTable })
  for (const schema of catalog.schemas.values()) {
    const target = `schema ${quoteIdentifier(schema.name)}`
    const { owner, grants } = schema
    add({
      object: `schema ${schema.name}`,
      schema: schema.name,
      target,
      grantTarget: target,
      kind: 'schema',
      owner,
      grants,
    })
  }
  for (const [key, type] of catalog.types) {
    const target = `${type.kind === 'domain' ? 'domain' : 'type'} ${qualified(type)}`
    add({ ...type, object: `type ${key}`, target, grantTarget: `type ${qualified(type)}`, kind: 'type' })
  }
  for (const [key, sequence] of catalog.sequences) {
    const target = `sequence ${qualified(sequence)}`
    add(
      { ...sequence, object: `sequence ${key}`, target, grantTarget: target, kind: 'sequence' },
      sequence.ownedBy !== null,
    )
  }
  for (const [key, table] of catalog.tables) {
    const target = `table ${qualified(table)}`
    add({ ...table, object: `table ${key}`, target, grantTarget: qualified(table), kind: 'table' })
  }
  for (const [key, view] of catalog.views) {
    add({ ...view, object: `view ${key}`, target: viewTarget(view), grantTarget: qualified(view), kind: 'table' })
  }
  for (const [key, routine] of catalog.functions) {
    const word = routine.kind === 'procedure' ? 'procedure' : 'function'
    // GRANT knows no aggregates: they are functions there.
    const signature = routineSignature(routine).replace('(*)', '()')
    const grantTarget = `${word} ${signature}`
    add({ ...routine, object: `function ${key}`, target: routineTarget(routine), grantTarget, kind: 'function' })
  }
  for (const [key, other] of catalog.others) {
    const kind = OTHER_RIGHTS[other.kind]
    if (!kind) continue
    const { schema, grants } = other
    const target = otherTarget(other)
    const grantTarget = kind === 'table' ? qualified(other) : target.replace(/^server /, 'foreign server ')
    add({ object: `other ${key}`, schema, target, grantTarget, kind, owner: null, grants })
  }
  return found
}

export function ownerStatement({ target }: Accessible, owner: string): string {
  return `alter ${target} owner to ${quoteRole(owner)}`
}

/** Owners and grants. Without roles that are no superusers everything belongs to whoever runs the script. */
export function printAccess(catalog: Catalog): UnplacedObject[] {
  return [...accessibles(catalog).values()].flatMap((accessible) => {
    const { object, schema, owner } = accessible
    if (isUnprintable(catalog, object)) return []
    const before = startingPoint(accessible)
    const grants = grantStatements(accessible.grantTarget, before.grants, accessible.grants)
    const hasOwner =
      owner !== null && owner !== before.owner && !isSuperuser(catalog, owner) && !accessible.followsTable
    const place = (phase: 'owners' | 'grants') => ({ section: 'grants', phase }) as const
    return [
      ...(hasOwner ? [unplaced(object, schema, place('owners'), [ownerStatement(accessible, owner)])] : []),
      ...(grants.length > 0 ? [unplaced(object, schema, place('grants'), grants)] : []),
    ]
  })
}

/** Schema `public` of a new database: everybody may use it, and the owner of the database owns it. */
export const NEW_PUBLIC: Pick<Schema, 'owner' | 'grants'> = {
  owner: 'pg_database_owner',
  grants: [{ grantee: 'public', privilege: 'usage', column: null, grantable: false }],
}

function startingPoint({ kind, object }: Accessible): Pick<Schema, 'owner' | 'grants'> {
  return object === 'schema public' ? NEW_PUBLIC : { owner: null, grants: grantsOfNew(kind) }
}

function isSuperuser(catalog: Catalog, role: string): boolean {
  return catalog.roles.get(role)?.superuser === true
}
