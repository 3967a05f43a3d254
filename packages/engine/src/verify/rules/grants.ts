import type { Grant, SourcePosition, Table } from '../../catalog/model.ts'
import { isProtected, nameOf, type VerifyContext } from '../context.ts'
import { defineRule } from '../rule.ts'

interface Granted {
  readonly object: string
  readonly owner: string | null
  readonly grant: Grant
  readonly position: SourcePosition | undefined
  /** Absent for views, sequences, schemas and functions. */
  readonly table?: Table
  readonly kind: 'table' | 'view' | 'sequence' | 'schema' | 'definer function'
}

/** Nothing that applications do needs these. MAINTAIN and TRIGGER let a role run code or lock as the table's users. */
const neverForApplications = ['TRUNCATE', 'TRIGGER', 'REFERENCES', 'MAINTAIN']

export const grants = defineRule<Granted>({
  id: 'grants',
  family: 'privileges',
  severity: 'error',
  effect: 'A role can do more than its work needs: read a partition around its parent, empty a table, change a schema.',
  instead: 'Grant select, insert, update on the table (never on a partition) to <service>_app; nothing to public.',
  *subjects(context) {
    const { policy, catalog } = context
    const ours = <T extends { schema: string }>(objects: Iterable<T>) =>
      [...objects].filter((object) => !policy.ignoredSchemas.includes(object.schema))
    for (const table of context.tables) yield* grantsOf('table', nameOf(table), table, table)
    for (const view of ours(catalog.views.values())) yield* grantsOf('view', nameOf(view), view)
    for (const sequence of ours(catalog.sequences.values())) yield* grantsOf('sequence', nameOf(sequence), sequence)
    for (const schema of catalog.schemas.values()) {
      if (!policy.ignoredSchemas.includes(schema.name)) yield* grantsOf('schema', schema.name, schema)
    }
    for (const routine of ours(catalog.functions.values())) {
      if (routine.securityDefiner && routine.returns !== 'trigger')
        yield* grantsOf('definer function', nameOf(routine), routine)
    }
  },
  *check(granted, context) {
    const flaw = flawOf(granted, context)
    if (flaw === null) return
    const { object, grant } = granted
    const message = `${grant.grantee} holds ${grant.privilege.toLowerCase()} on ${granted.kind} ${object}: ${flaw}`
    yield { object, message, position: granted.position }
  },
})

function flawOf({ kind, object, grant, table, owner }: Granted, context: VerifyContext): string | null {
  const privilege = grant.privilege.toUpperCase()
  if (grant.grantee === owner || isServersOwn(kind, object, grant)) return null
  if (grant.grantee === 'public') return 'nothing is for everybody'
  if (table && table.partitionOf !== null) return 'partitions are reached through their parent only'
  const isApplication = context.applicationRoles.has(grant.grantee)
  if (!isApplication) return null
  if (grant.grantable) return 'applications do not grant'
  if (kind === 'schema' && privilege === 'CREATE') return 'applications create nothing'
  if (!table) return null
  if (neverForApplications.includes(privilege)) return 'applications do not need it'
  if (privilege === 'DELETE' && isProtected(table, context)) return 'protected rows are never deleted by applications'
  return null
}

/** PostgreSQL lets everybody look into the schema public, where extensions stand. */
function isServersOwn(kind: Granted['kind'], object: string, { privilege }: Grant): boolean {
  return kind === 'schema' && object === 'public' && privilege.toUpperCase() === 'USAGE'
}

function* grantsOf(
  kind: Granted['kind'],
  object: string,
  source: Pick<Table, 'owner' | 'grants' | 'position'>,
  table?: Table,
): Generator<Granted> {
  const { owner, grants: given, position } = source
  for (const grant of given) {
    yield { kind, object, owner, grant, position, ...(table ? { table } : {}) }
  }
}
