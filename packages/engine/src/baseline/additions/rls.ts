import { quoteIdentifier } from '../../bundle/quote.ts'
import type { Grant, Policy, Table } from '../../catalog/model.ts'
import { policyStatement } from '../../print/print-policy.ts'
import { isAppendOnly, isProtected, nameOf } from '../../verify/context.ts'
import { add, advise, type Drafting } from './addition.ts'
import { quoteKey } from '../../print/sql-text.ts'
import { applicationRole, tenantOfRequest } from './kernel.ts'
import { isTenantTable } from './scope.ts'

/** Row level security on every tenant table and partition, and no more rights for the application than it needs. */
export function addRowSecurity(draft: Drafting): void {
  for (const table of draft.catalog.tables.values()) if (isTenantTable(table, draft)) secureTable(table, draft)
  secureViews(draft)
  grantToApplication(draft)
  closeToEverybody(draft)
}

function secureTable(table: Table, draft: Drafting): void {
  const { policy } = draft
  const object = `table ${nameOf(table)}`
  const sqlName = quoteKey(nameOf(table))
  if (!table.rlsEnabled) add(draft, 'rls-enabled', object, `alter table ${sqlName} enable row level security`)
  if (!table.rlsForced) add(draft, 'rls-forced', object, `alter table ${sqlName} force row level security`)
  for (const existing of table.policies.values()) narrow(table, existing, draft)
  if (table.policies.has(policy.isolationPolicy)) return
  const isOwn = `(${quoteIdentifier(policy.tenantColumn)} = (select ${tenantOfRequest(policy)}))`
  add(
    draft,
    'tenant-policy',
    `policy ${policy.isolationPolicy} on ${nameOf(table)}`,
    `create policy ${quoteIdentifier(policy.isolationPolicy)} on ${sqlName} using ${isOwn} with check ${isOwn}`,
  )
}

/**
 * Permissive policies are joined by OR: beside the tenant's they would open the table. The only one of its table means
 * the same when it is restrictive; what several together mean is for a person to say.
 */
function narrow(table: Table, existing: Policy, draft: Drafting): void {
  if (!existing.permissive || existing.name === draft.policy.isolationPolicy) return
  const object = `policy ${existing.name} on ${nameOf(table)}`
  const others = [...table.policies.values()].filter((policy) => policy.permissive && policy !== existing)
  if (others.length > 0 || existing.command !== 'all') {
    advise(
      draft,
      'tenant-policy',
      object,
      'is permissive: it opens more than the rows of the tenant; make it restrictive',
    )
    return
  }
  const target = `${quoteIdentifier(existing.name)} on ${quoteKey(nameOf(table))}`
  const restrictive = policyStatement(table, { ...existing, permissive: false })
  add(draft, 'tenant-policy', object, `drop policy ${target}`, restrictive)
}

function secureViews(draft: Drafting): void {
  for (const [name, view] of draft.catalog.views) {
    if (draft.policy.ignoredSchemas.includes(view.schema)) continue
    const object = `view ${name}`
    if (view.materialized)
      advise(draft, 'view-security-invoker', object, 'holds rows of all tenants: grant it to nobody')
    else if (!view.securityInvoker)
      add(draft, 'view-security-invoker', object, `alter view ${quoteKey(name)} set (security_invoker = true)`)
  }
}

/**
 * What an application needs of tables, never of partitions: not the deletion of protected rows, nothing of the log, and
 * no materialized view, which holds rows of all tenants.
 */
function grantToApplication(draft: Drafting): void {
  const { catalog, policy } = draft
  const ours = ({ schema }: { readonly schema: string }) =>
    !policy.ignoredSchemas.includes(schema) && schema !== policy.auditSchema
  for (const [name, schema] of catalog.schemas)
    if (ours({ schema: name })) grantMissing(draft, 'schema', name, schema.grants, ['usage'])
  for (const table of catalog.tables.values()) {
    if (!ours(table) || table.partitionOf !== null || nameOf(table) === policy.rootTable) continue
    const rights = ['select', 'insert', 'update', 'delete'].filter((right) =>
      isAppendOnly(table, draft)
        ? right === 'select' || right === 'insert'
        : right !== 'delete' || !isProtected(table, draft),
    )
    grantMissing(draft, 'table', nameOf(table), table.grants, rights)
  }
  for (const [name, view] of catalog.views)
    if (ours(view) && !view.materialized) grantMissing(draft, 'view', name, view.grants, ['select'])
  for (const [name, sequence] of catalog.sequences)
    if (ours(sequence)) grantMissing(draft, 'sequence', name, sequence.grants, ['usage'])
}

function grantMissing(
  draft: Drafting,
  kind: 'schema' | 'table' | 'view' | 'sequence',
  name: string,
  grants: readonly Grant[],
  rights: readonly string[],
): void {
  const role = applicationRole(draft.policy)
  const missing = rights.filter(
    (right) =>
      !grants.some(({ grantee, privilege, column }) => grantee === role && privilege === right && column === null),
  )
  const word = kind === 'schema' || kind === 'sequence' ? `${kind} ` : ''
  if (missing.length > 0)
    add(
      draft,
      'grants',
      `${kind} ${name}`,
      `grant ${missing.join(', ')} on ${word}${quoteKey(name)} to ${quoteIdentifier(role)}`,
    )
}

/** What everybody holds, every other application of the server holds too. */
function closeToEverybody(draft: Drafting): void {
  const { catalog, policy } = draft
  for (const [name, schema] of catalog.schemas) {
    if (policy.ignoredSchemas.includes(name) || !schema.grants.some(({ grantee }) => grantee === 'public')) continue
    add(draft, 'grants', `schema ${name}`, `revoke all on schema ${quoteIdentifier(name)} from public`)
  }
}
