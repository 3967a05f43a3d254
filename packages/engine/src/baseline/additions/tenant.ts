import { quoteIdentifier, quoteLiteral } from '../../bundle/quote.ts'
import type { Constraint, Index, Table } from '../../catalog/model.ts'
import { indexStatement } from '../../print/print-index.ts'
import { nameOf } from '../../verify/context.ts'
import { add, advise, describeColumn, type Drafting } from './addition.ts'
import { columnList, quoteKey } from '../../print/sql-text.ts'
import { columnKey } from './names.ts'
import { fillFunction } from './kernel.ts'
import { hasParent, isTenantTable, plannedScope } from './scope.ts'

/**
 * Gives every tenant table the tenant: the column, first in keys, unique indexes and plain indexes, and in foreign keys
 * between tenant tables. Foreign keys go first and come back last, because keys cannot change under them.
 */
export function addTenancy(draft: Drafting): void {
  const tables = [...draft.catalog.tables.values()].filter((table) => isTenantTable(table, draft))
  for (const table of draft.catalog.tables.values())
    if (plannedScope(table, draft) === 'shared' && table.partitionOf === null)
      advise(
        draft,
        'tenant-column',
        `table ${nameOf(table)}`,
        'is shared: rows with and without a tenant are for a person to make',
      )
  for (const table of tables) addColumn(table, draft)
  const foreignKeys = [...draft.catalog.tables.values()].flatMap((table) => foreignKeysToChange(table, draft))
  for (const { table, key } of foreignKeys) dropConstraint(table, key, 'foreign-key-carries-tenant', draft)
  for (const table of tables) changeKeys(table, draft)
  // A foreign key may refer to a unique index that is no constraint.
  for (const table of tables) changeIndexes(table, draft)
  for (const { table, key } of foreignKeys) addForeignKey(table, key, draft)
  adviseOnFunctions(draft)
}

function addColumn(table: Table, draft: Drafting): void {
  const { policy, options } = draft
  const name = nameOf(table)
  const sqlName = quoteKey(name)
  const column = quoteIdentifier(policy.tenantColumn)
  const object = `column ${name}.${policy.tenantColumn}`
  const existing = table.columns.get(policy.tenantColumn)
  if (!existing) {
    if (hasParent(table, draft)) return
    const type = `add column ${column} ${policy.tenantType} not null`
    // Rows that are there already get a value once; a row that comes later must say whose it is.
    if (options.tenantDefault === undefined) add(draft, 'tenant-column', object, `alter table ${sqlName} ${type}`)
    else {
      const fill = `alter table ${sqlName} ${type} default ${quoteLiteral(options.tenantDefault)}`
      add(draft, 'tenant-column', object, fill, `alter table ${sqlName} alter column ${column} drop default`)
    }
    describeColumn(draft, name, policy.tenantColumn, 'The tenant that the row belongs to.')
  } else {
    const changes = [
      ...(existing.notNull ? [] : [`alter column ${column} set not null`]),
      ...(existing.default === null ? [] : [`alter column ${column} drop default`]),
    ]
    if (changes.length > 0) add(draft, 'tenant-column', object, `alter table ${sqlName} ${changes.join(', ')}`)
    if (existing.type !== policy.tenantType)
      advise(draft, 'tenant-column', object, `is ${existing.type}; the tenant is ${policy.tenantType}`)
  }
  // Statements that know the column name the tenant themselves.
  if (existing || table.partitionOf !== null) return
  const trigger = `create trigger tenant_fill before insert on ${sqlName} for each row execute function ${quoteKey(fillFunction(policy))}()`
  if (!table.triggers.has('tenant_fill')) add(draft, 'tenant-column', `trigger tenant_fill on ${name}`, trigger)
  const hasKey = [...table.constraints.values()].some((key) => key.references === policy.rootTable)
  const foreignKey = `${table.name}_${policy.tenantColumn}_fkey`.slice(0, 63)
  if (hasKey || table.constraints.has(foreignKey)) return
  add(
    draft,
    'tenant-column',
    `constraint ${foreignKey} on ${name}`,
    `alter table ${sqlName} add constraint ${quoteIdentifier(foreignKey)} foreign key (${column}) references ${quoteKey(policy.rootTable)} (id)`,
  )
}

interface ForeignKey {
  readonly table: Table
  readonly key: Constraint
}

/** Between tenant tables, and not yet of the tenant's rows. Those of partitions come and go with their parent's. */
function foreignKeysToChange(table: Table, draft: Drafting): ForeignKey[] {
  const { catalog, policy } = draft
  if (table.partitionOf !== null) return []
  return [...table.constraints.values()].flatMap((key) => {
    const target = key.kind === 'foreign key' ? catalog.tables.get(key.references ?? '') : undefined
    if (!target || !isTenantTable(target, draft) || nameOf(target) === policy.rootTable) return []
    const paired = key.columns.some(
      (column, n) => column === policy.tenantColumn && key.referencedColumns[n] === policy.tenantColumn,
    )
    if (paired) return []
    if (isTenantTable(table, draft)) return [{ table, key }]
    const message = `${nameOf(table)} is no tenant table and refers to one, ${nameOf(target)}: name both the same in the policy`
    advise(draft, 'foreign-key-carries-tenant', `constraint ${key.name} on ${nameOf(table)}`, message)
    return []
  })
}

function dropConstraint(table: Table, key: Constraint, rule: string, draft: Drafting): void {
  const object = `constraint ${key.name} on ${nameOf(table)}`
  add(draft, rule, object, `alter table ${quoteKey(nameOf(table))} drop constraint ${quoteIdentifier(key.name)}`)
}

function addConstraint(table: Table, key: Constraint, definition: string, rule: string, draft: Drafting): void {
  const object = `constraint ${key.name} on ${nameOf(table)}`
  const name = quoteIdentifier(key.name)
  const statements = [`alter table ${quoteKey(nameOf(table))} add constraint ${name} ${definition}`]
  if (key.comment !== null)
    statements.push(`comment on constraint ${name} on ${quoteKey(nameOf(table))} is ${quoteLiteral(key.comment)}`)
  add(draft, rule, object, ...statements)
}

/** `on delete set null` must leave the tenant alone, and nothing may re-key a row into another tenant. */
function addForeignKey(table: Table, key: Constraint, draft: Drafting): void {
  const column = draft.policy.tenantColumn
  const columns = key.columns.filter((name) => name !== column)
  const targets = key.referencedColumns.filter((_, n) => key.columns[n] !== column)
  const tail =
    /^foreign key \([^)]*\) references (?:"(?:[^"]|"")+"|[^("])+\([^)]*\)(.*)$/is.exec(key.definition)?.[1] ?? ''
  const changed = tail
    .replace(/ match full/i, '')
    .replace(/ on update (cascade|set null|set default)(?: \([^)]*\))?/i, '')
    .replace(/ on delete (set null|set default)(?! \()/i, ` on delete $1 ${columnList(columns)}`)
  const object = `constraint ${key.name} on ${nameOf(table)}`
  if (/ on update /i.test(tail) && !/ on update (no action|restrict)/i.test(tail))
    advise(draft, 'foreign-key-carries-tenant', object, 'followed changes of the key it refers to; it refuses them now')
  if (/ match full/i.test(tail) && columns.length > 1)
    advise(
      draft,
      'foreign-key-carries-tenant',
      object,
      'was MATCH FULL: add a check that its columns are null together',
    )
  const definition = `foreign key ${columnList([column, ...columns])} references ${quoteKey(key.references ?? '')} ${columnList([column, ...targets])}${changed}`
  addConstraint(table, key, definition, 'foreign-key-carries-tenant', draft)
}

/** Primary keys, unique constraints and exclusions begin with the tenant. */
function changeKeys(table: Table, draft: Drafting): void {
  const { policy } = draft
  const column = quoteIdentifier(policy.tenantColumn)
  const keys = [...table.constraints.values()].filter(({ kind }) => ['primary key', 'unique', 'exclude'].includes(kind))
  if (table.partitionOf === null && !keys.some(({ kind }) => kind === 'primary key'))
    advise(draft, 'tenant-first-in-keys', `table ${nameOf(table)}`, 'has no primary key: choose one')
  for (const key of keys) {
    if (key.columns[0] === policy.tenantColumn || table.partitionOf !== null) continue
    if (key.kind === 'exclude' && key.columns.includes(policy.tenantColumn)) continue
    const first = key.kind === 'exclude' ? `${column} with =` : column
    dropConstraint(table, key, 'tenant-first-in-keys', draft)
    addConstraint(table, key, withFirst(key.definition, first, column), 'tenant-first-in-keys', draft)
  }
  if (keys.some(({ kind }) => kind === 'exclude') && !draft.catalog.extensions.has('btree_gist')) addGist(draft)
}

/** The operator class for `tenant_id with =` in an exclusion constraint; first of all additions, for the order. */
function addGist(draft: Drafting): void {
  const object = 'extension btree_gist'
  if (draft.additions.some((addition) => addition.object === object)) return
  draft.additions.unshift({
    rule: 'tenant-first-in-keys',
    object,
    sql: 'create extension if not exists btree_gist with schema public;',
  })
}

/** Puts an entry first in the first list in parentheses, and takes it from where it stood in it. */
function withFirst(definition: string, first: string, column: string): string {
  const open = definition.indexOf('(')
  const rest = definition.slice(open + 1)
  const without = rest.replace(new RegExp(`, ${column}(?=[,)])`), '')
  return `${definition.slice(0, open)}(${first}, ${without}`
}

/** Unique indexes, and the btree indexes that queries of one tenant walk through. */
function changeIndexes(table: Table, draft: Drafting): void {
  for (const index of table.indexes.values()) {
    if (index.fromConstraint || index.method !== 'btree' || table.partitionOf !== null) continue
    if (index.keys[0]?.column === draft.policy.tenantColumn) continue
    changeIndex(table, index, draft)
  }
}

function changeIndex(table: Table, index: Index, draft: Drafting): void {
  const { catalog, policy } = draft
  const rule = index.unique ? 'tenant-first-in-keys' : 'tenant-first-in-indexes'
  const object = `index ${index.name} on ${nameOf(table)}`
  const name = quoteKey(`${table.schema}.${index.name}`)
  const keys = [columnKey(policy.tenantColumn), ...index.keys.filter(({ column }) => column !== policy.tenantColumn)]
  add(draft, rule, object, `drop index ${name}`, indexStatement(catalog, table, { ...index, keys }))
  if (index.comment !== null) add(draft, rule, object, `comment on index ${name} is ${quoteLiteral(index.comment)}`)
}

/** Bodies that name a key which has grown: PostgreSQL finds out when they run. */
function adviseOnFunctions(draft: Drafting): void {
  for (const [signature, routine] of draft.catalog.functions) {
    if (!/\bon\s+conflict\b\s*\(/i.test(routine.body)) continue
    const message = `names a key in ON CONFLICT: let it begin with ${draft.policy.tenantColumn}`
    advise(draft, 'tenant-first-in-keys', `function ${signature}`, message)
  }
}
