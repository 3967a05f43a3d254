import { makeContext } from '../../packages/engine/src/verify/context.ts'
import { noFacts, type Facts } from '../../packages/engine/src/verify/facts.ts'
import { defaultPolicy, type VerifyPolicy } from '../../packages/engine/src/verify/policy.ts'
import type { Rule } from '../../packages/engine/src/verify/rule.ts'
import { runRules } from '../../packages/engine/src/verify/run-rules.ts'
import {
  emptyCatalog,
  type Catalog,
  type Column,
  type Constraint,
  type Index,
  type Policy,
  type Role,
  type Routine,
  type Table,
  type Trigger,
  type View,
} from '../../packages/engine/src/catalog/model.ts'
import { loadParser } from '../../packages/engine/src/parse/parser.ts'

await loadParser()

/** Canonical text as PostgreSQL prints it. */
export const canonical = '(tenant_id = ( SELECT core.current_tenant_id() AS current_tenant_id))'

/** A catalog with one sound tenant table `a.things`; tests change one thing about it. */
export function soundCatalog(...changes: ((catalog: Catalog, things: Table) => void)[]): Catalog {
  const catalog = emptyCatalog()
  addRole(catalog, 'a_owner')
  addRole(catalog, 'a_app')
  addRole(catalog, 'imhotep_app', { memberOf: ['a_app'] })
  addRole(catalog, 'postgres', { superuser: true, bypassRls: true })
  const tenants = addTable(catalog, 'core', 'tenants', 'class=operational;scope=root;about=One row a tenant.')
  addColumn(tenants, 'id', 'uuid')
  addConstraint(tenants, 'tenants_pkey', 'primary key', ['id'])
  addPolicy(tenants, 'tenant_isolation', {
    using: canonical.replace('tenant_id', 'id'),
    withCheck: canonical.replace('tenant_id', 'id'),
  })
  const things = addTenantTable(catalog, 'a', 'things')
  for (const change of changes) change(catalog, things)
  return catalog
}

export function addTenantTable(catalog: Catalog, schema: string, name: string, more: Partial<Table> = {}): Table {
  const table = addTable(catalog, schema, name, 'class=operational;scope=tenant;about=Things.', more)
  addColumn(table, 'tenant_id', 'uuid')
  addColumn(table, 'id', 'uuid')
  addConstraint(table, `${name}_pkey`, 'primary key', ['tenant_id', 'id'])
  addIndex(table, `${name}_pkey`, ['tenant_id', 'id'], { unique: true, fromConstraint: true })
  addPolicy(table, 'tenant_isolation')
  return table
}

export function addTable(
  catalog: Catalog,
  schema: string,
  name: string,
  comment: string | null,
  more: Partial<Table> = {},
): Table {
  const table: Table = {
    schema,
    name,
    comment,
    owner: 'a_owner',
    grants: [],
    columns: new Map(),
    constraints: new Map(),
    indexes: new Map(),
    policies: new Map(),
    triggers: new Map(),
    rules: new Map(),
    rlsEnabled: true,
    rlsForced: true,
    unlogged: false,
    partitionKey: null,
    partitionOf: null,
    partitionBound: null,
    inherits: [],
    options: [],
    replicaIdentity: 'default',
    ...more,
  }
  catalog.tables.set(`${schema}.${name}`, table)
  return table
}

export function addColumn(table: Table, name: string, type: string, more: Partial<Column> = {}): void {
  table.columns.set(name, {
    name,
    ordinal: table.columns.size + 1,
    type,
    notNull: true,
    unvalidatedNotNull: null,
    default: null,
    identity: null,
    generated: null,
    collation: null,
    identitySequence: null,
    storage: null,
    compression: null,
    statistics: null,
    options: [],
    comment: 'class=operational;about=A column.',
    ...more,
  })
}

export function addConstraint(
  table: Table,
  name: string,
  kind: Constraint['kind'],
  columns: string[],
  more: Partial<Constraint> = {},
): void {
  table.constraints.set(name, {
    name,
    kind,
    columns,
    definition: '',
    references: null,
    referencedColumns: [],
    onDelete: kind === 'foreign key' ? 'restrict' : null,
    onUpdate: kind === 'foreign key' ? 'no action' : null,
    deferrable: false,
    initiallyDeferred: false,
    validated: true,
    comment: null,
    ...more,
  })
}

/** A key that starts with `(` is an expression. */
export function addIndex(table: Table, name: string, keys: string[], more: Partial<Index> = {}): void {
  table.indexes.set(name, {
    name,
    unique: false,
    fromConstraint: false,
    method: 'btree',
    keys: keys.map((key) => ({
      column: key.startsWith('(') ? null : key,
      expression: key.startsWith('(') ? key : null,
      operatorClass: null,
      collation: null,
      descending: false,
      nullsFirst: false,
    })),
    include: [],
    predicate: null,
    nullsNotDistinct: false,
    options: [],
    valid: true,
    comment: null,
    ...more,
  })
}

export function addPolicy(table: Table, name: string, more: Partial<Policy> = {}): void {
  table.policies.set(name, {
    name,
    permissive: true,
    command: 'all',
    roles: ['public'],
    using: canonical,
    withCheck: canonical,
    comment: null,
    ...more,
  })
}

export function addTrigger(table: Table, name: string, more: Partial<Trigger> = {}): void {
  table.triggers.set(name, {
    name,
    timing: 'before',
    events: ['update'],
    level: 'row',
    function: 'core.refuse_change',
    arguments: [],
    when: null,
    updateColumns: [],
    oldTable: null,
    newTable: null,
    constraint: false,
    deferrable: false,
    initiallyDeferred: false,
    enabled: 'origin',
    comment: null,
    ...more,
  })
}

export function addRole(catalog: Catalog, name: string, more: Partial<Role> = {}): void {
  catalog.roles.set(name, {
    name,
    login: false,
    superuser: false,
    bypassRls: false,
    inherit: true,
    memberOf: [],
    memberships: {},
    ...more,
  })
}

export function addFunction(catalog: Catalog, schema: string, name: string, more: Partial<Routine> = {}): void {
  catalog.functions.set(`${schema}.${name}()`, {
    schema,
    name,
    comment: null,
    owner: 'a_owner',
    grants: [],
    kind: 'function',
    argumentTypes: [],
    arguments: '',
    returns: 'void',
    language: 'plpgsql',
    volatility: 'volatile',
    parallel: 'unsafe',
    securityDefiner: true,
    strict: false,
    leakproof: false,
    settings: ['search_path=pg_catalog, pg_temp'],
    body: '',
    cost: null,
    rows: null,
    definition: null,
    ...more,
  })
}

export function addView(catalog: Catalog, schema: string, name: string, more: Partial<View> = {}): void {
  catalog.views.set(`${schema}.${name}`, {
    schema,
    name,
    comment: null,
    owner: 'a_owner',
    grants: [],
    materialized: false,
    definition: 'SELECT 1',
    columns: ['tenant_id'],
    securityInvoker: true,
    securityBarrier: false,
    checkOption: null,
    indexes: new Map(),
    triggers: new Map(),
    rules: new Map(),
    columnComments: {},
    columnDefaults: {},
    options: [],
    dependencies: [],
    withData: true,
    ...more,
  })
}

export function grant(grantee: string, privilege: string) {
  return { grantee, privilege, column: null, grantable: false }
}

/** What one rule says about a catalog, with the default policy unless another is given. */
export function messagesOf(
  rule: Rule,
  catalog: Catalog,
  facts: Partial<Facts> = {},
  policy: VerifyPolicy = defaultPolicy,
): string[] {
  return runRules([rule], makeContext(catalog, policy, { ...noFacts, ...facts })).findings.map(
    (finding) => finding.message,
  )
}
