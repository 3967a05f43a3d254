import type { Constraint, Index, Table } from '../../catalog/model.ts'
import { nameOf, scopeOf, tenantColumnOf, type VerifyContext } from '../context.ts'
import { defineRule } from '../rule.ts'

interface Key {
  readonly table: Table
  readonly kind: 'table' | Constraint['kind'] | 'unique index'
  readonly name: string
  /** Column names; null for an expression. */
  readonly columns: readonly (string | null)[]
  /** Of a constraint: its text, where an exclusion may hide the tenant in an expression. */
  readonly definition?: string
  readonly position: Table['position']
}

export const tenantFirstInKeys = defineRule<Key>({
  id: 'tenant-first-in-keys',
  family: 'tenancy',
  severity: 'error',
  effect:
    'A key without the tenant makes one tenant collide with another (and learn that a value exists there), lets ' +
    'references cross tenants, and cannot be distributed by tenant.',
  instead: 'primary key (tenant_id, id); unique (tenant_id, ...); exclude using gist (tenant_id with =, ...).',
  *subjects(context) {
    for (const table of context.tenantTables) if (scopeOf(table, context) !== 'root') yield* keysOf(table)
  },
  *check(key, context) {
    const object = nameOf(key.table)
    const column = tenantColumnOf(key.table, context)
    const at = { object, position: key.position }
    if (key.kind === 'table') {
      yield { ...at, message: `${object} has no primary key` }
      return
    }
    if (isSharedPrimaryKey(key, context)) return
    if (key.kind === 'exclude' ? excludes(key, column, context) : key.columns[0] === column) return
    yield { ...at, message: `${key.kind} ${key.name} of ${object} does not begin with ${column}` }
  },
})

function* keysOf(table: Table): Generator<Key> {
  const constraints = [...table.constraints.values()]
  if (!constraints.some((constraint) => constraint.kind === 'primary key')) {
    yield { table, kind: 'table', name: table.name, columns: [], position: table.position }
  }
  for (const { kind, name, columns, definition, position } of constraints) {
    if (kind !== 'primary key' && kind !== 'unique' && kind !== 'exclude') continue
    yield { table, kind, name, columns, definition, position: position ?? table.position }
  }
  for (const index of table.indexes.values()) if (index.unique && !index.fromConstraint) yield uniqueIndex(table, index)
}

function uniqueIndex(table: Table, index: Index): Key {
  const columns = index.keys.map((key) => key.column)
  return { table, kind: 'unique index', name: index.name, columns, position: index.position ?? table.position }
}

/** Shared tables hold rows without a tenant, and a primary key cannot hold nulls; a partitioned one adds its own column. */
function isSharedPrimaryKey(key: Key, context: VerifyContext): boolean {
  return key.kind === 'primary key' && scopeOf(key.table, context) === 'shared' && key.columns[0] === 'id'
}

/** In a shared table null has to be replaced by a value: nothing equals null. */
function excludes(key: Key, column: string, context: VerifyContext): boolean {
  if (key.columns.includes(column)) return true
  return scopeOf(key.table, context) === 'shared' && new RegExp(`coalesce\\(${column},`, 'i').test(key.definition ?? '')
}
