import {
  defaultPolicy,
  type Catalog,
  type Constraint,
  type Table,
  type VerifyContext,
} from '../../packages/engine/src/index.ts'
import { isAppendOnly, isProtected, nameOf, scopeOf } from '../../packages/engine/src/verify/context.ts'

/** One mechanism taken away from one object. */
export interface Sabotage {
  /** What the finding or the successful attempt must name. */
  readonly object: string
  readonly sql: string
}

/** A way of breaking a guarantee, for every object that has the guarantee. */
export interface Saboteur {
  readonly name: string
  /** The rule that must notice. */
  readonly rule: string
  /** Whether the damage shows in behaviour, so that the attack must notice too. */
  readonly showsInAttack: boolean
  targets(context: VerifyContext): Iterable<Sabotage>
}

const { isolationPolicy, auditTriggers, attackRole, tenantColumn } = defaultPolicy

export const saboteurs: readonly Saboteur[] = [
  everyTable('policy dropped', 'tenant-policy', false, (name) => `drop policy ${isolationPolicy} on ${name}`),
  everyTable('not forced', 'rls-forced', true, (name) => `alter table ${name} no force row level security`),
  everyTable('row security off', 'rls-enabled', true, (name) => `alter table ${name} disable row level security`),
  everyTable(
    'opened for reading',
    'tenant-policy',
    true,
    (name) => `alter policy ${isolationPolicy} on ${name} using (true)`,
  ),
  everyTable(
    'opened for writing',
    'tenant-policy',
    true,
    (name) => `alter policy ${isolationPolicy} on ${name} with check (true)`,
  ),
  everyTable(
    'second policy',
    'tenant-policy',
    true,
    (name) => `create policy sabotage on ${name} using (true) with check (true)`,
  ),
  everyTable(
    'second policy for reading',
    'tenant-policy',
    true,
    (name) => `create policy sabotage on ${name} for select using (true)`,
  ),
  everyTable(
    'second policy for updates',
    'tenant-policy',
    true,
    (name) => `create policy sabotage on ${name} for update using (true) with check (true)`,
  ),
  everyTable(
    'second policy for inserts',
    'tenant-policy',
    true,
    (name) => `create policy sabotage on ${name} for insert with check (true)`,
  ),
  everyTable('policy with OR', 'tenant-policy', true, (name, table, context) => {
    const column = scopeOf(table, context) === 'root' ? 'id' : tenantColumn
    const text = `${column} = (select core.current_tenant_id()) or ${column} is not null`
    return `alter policy ${isolationPolicy} on ${name} using (${text}) with check (${text})`
  }),
  everyTable('granted to everybody', 'grants', false, (name) => `grant select on ${name} to public`),
  everyTable(
    'owned by the application',
    'application-roles',
    false,
    (name) => `alter table ${name} owner to ${attackRole}`,
  ),
  {
    name: 'partition granted',
    rule: 'grants',
    showsInAttack: false,
    *targets({ tenantTables }) {
      for (const table of tenantTables) {
        if (table.partitionOf !== null)
          yield { object: nameOf(table), sql: `grant select on ${nameOf(table)} to ${attackRole}` }
      }
    },
  },
  {
    name: 'composite key replaced',
    rule: 'tenant-first-in-keys',
    showsInAttack: true,
    *targets(context) {
      for (const table of rootsOfTrees(context)) {
        const key = [...table.constraints.values()].find(({ kind }) => kind === 'primary key')
        if (scopeOf(table, context) !== 'tenant' || !key?.columns.includes('id')) continue
        const columns = key.columns.filter((column) => column !== tenantColumn).join(', ')
        yield {
          object: nameOf(table),
          sql: `alter table ${nameOf(table)} drop constraint ${key.name} cascade, add constraint ${key.name} primary key (${columns})`,
        }
      }
    },
  },
  {
    name: 'reference without the tenant',
    rule: 'foreign-key-carries-tenant',
    showsInAttack: true,
    *targets(context) {
      const unique = new Set<string>()
      for (const { table, key, target } of compositeReferences(context)) {
        const column = key.columns.find((name) => name !== tenantColumn)
        const prepared = unique.has(nameOf(target)) ? '' : `create unique index on ${nameOf(target)} (id);`
        unique.add(nameOf(target))
        yield {
          object: nameOf(table),
          sql: `${prepared} alter table ${nameOf(table)} drop constraint ${key.name}, add constraint ${key.name} foreign key (${column}) references ${nameOf(target)} (id)`,
        }
      }
    },
  },
  ...Object.keys(auditTriggers).flatMap((trigger) => [
    auditedTables(`${trigger} dropped`, (name) => `drop trigger ${trigger} on ${name}`),
    auditedTables(`${trigger} disabled`, (name) => `alter table ${name} disable trigger ${trigger}`),
  ]),
  appendOnlyTables('append-only guards disabled', (name, triggers) =>
    triggers.map((trigger) => `alter table ${name} disable trigger ${trigger}`),
  ),
  appendOnlyTables('append-only guards dropped', (name, triggers) =>
    triggers.slice(0, 1).map((trigger) => `drop trigger ${trigger} on ${name}`),
  ),
  {
    name: 'state machine disabled',
    rule: 'state-machine-trigger',
    showsInAttack: false,
    *targets({ facts, catalog }) {
      for (const machine of facts.machines ?? []) {
        const guards = guardsOf(catalog.tables.get(machine), defaultPolicy.transitionFunction)
        yield {
          object: machine,
          sql: guards.map((trigger) => `alter table ${machine} disable trigger ${trigger};`).join(' '),
        }
      }
    },
  },
  {
    name: 'view runs as its owner',
    rule: 'view-security-invoker',
    showsInAttack: false,
    *targets({ catalog }) {
      for (const view of catalog.views.values()) {
        if (!view.materialized)
          yield { object: nameOf(view), sql: `alter view ${nameOf(view)} set (security_invoker = false)` }
      }
    },
  },
  everyDefiner(
    'search path released',
    'definer-search-path',
    (signature) => `alter routine ${signature} reset search_path`,
  ),
  everyDefiner(
    'owned by a superuser',
    'definer-search-path',
    (signature) => `alter routine ${signature} owner to current_user`,
  ),
]

function everyTable(
  name: string,
  rule: string,
  showsInAttack: boolean,
  sql: (name: string, table: Table, context: VerifyContext) => string,
): Saboteur {
  return {
    name,
    rule,
    showsInAttack,
    *targets(context) {
      for (const table of context.tenantTables) yield { object: nameOf(table), sql: sql(nameOf(table), table, context) }
    },
  }
}

function auditedTables(name: string, sql: (name: string) => string): Saboteur {
  return {
    name,
    rule: 'audit-coverage',
    showsInAttack: false,
    *targets(context) {
      for (const table of rootsOfTrees(context)) {
        const isLog = table.schema === defaultPolicy.auditSchema && isAppendOnly(table, context)
        if (isProtected(table, context) && !isLog) yield { object: nameOf(table), sql: sql(nameOf(table)) }
      }
    },
  }
}

function appendOnlyTables(name: string, sql: (name: string, triggers: string[]) => string[]): Saboteur {
  return {
    name,
    rule: 'append-only',
    showsInAttack: false,
    *targets(context) {
      for (const table of rootsOfTrees(context)) {
        const guards = guardsOf(table, defaultPolicy.appendOnlyFunction)
        if (isAppendOnly(table, context)) yield { object: nameOf(table), sql: sql(nameOf(table), guards).join('; ') }
      }
    },
  }
}

function everyDefiner(name: string, rule: string, sql: (signature: string) => string): Saboteur {
  return {
    name,
    rule,
    showsInAttack: false,
    *targets({ catalog, policy }) {
      for (const routine of catalog.functions.values()) {
        if (!routine.securityDefiner || policy.ignoredSchemas.includes(routine.schema)) continue
        const signature = `${nameOf(routine)}(${routine.argumentTypes.join(', ')})`
        yield { object: signature, sql: sql(signature) }
      }
    },
  }
}

function guardsOf(table: Table | undefined, name: string): string[] {
  return [...(table?.triggers.values() ?? [])]
    .filter((trigger) => trigger.function === name)
    .map((trigger) => trigger.name)
}

/** Tables that are no partitions. */
function rootsOfTrees(context: VerifyContext): Table[] {
  return context.tables.filter((table) => table.partitionOf === null)
}

function* compositeReferences(context: VerifyContext): Generator<{ table: Table; key: Constraint; target: Table }> {
  for (const table of rootsOfTrees(context)) {
    for (const key of table.constraints.values()) {
      const target = targetOf(key, context.catalog)
      const isComposite =
        key.columns.length === 2 && key.columns.includes(tenantColumn) && key.referencedColumns.includes('id')
      if (target && target.partitionKey === null && isComposite) yield { table, key, target }
    }
  }
}

function targetOf(key: Constraint, catalog: Catalog): Table | undefined {
  return key.kind === 'foreign key' ? catalog.tables.get(key.references ?? '') : undefined
}
