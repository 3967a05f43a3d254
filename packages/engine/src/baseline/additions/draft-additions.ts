import { UsageError } from '@imhotep/base'
import type { Catalog } from '../../catalog/model.ts'
import type { VerifyPolicy } from '../../verify/policy.ts'
import type { Addition, AdditionOptions, Advice, Drafting } from './addition.ts'
import { addAudit } from './audit.ts'
import { addCompliance } from './compliance.ts'
import { addAuditKernel, addTenantKernel } from './kernel.ts'
import { addRowSecurity } from './rls.ts'
import { isTenantTable } from './scope.ts'
import { addTenancy } from './tenant.ts'

/**
 * What a schema lacks to hold many tenants, in the order in which it can be run on a database that has the schema.
 * @throws UsageError for row security without a column that says whose a row is
 */
export function draftAdditions(
  catalog: Catalog,
  policy: VerifyPolicy,
  options: AdditionOptions,
): { readonly additions: Addition[]; readonly advice: Advice[] } {
  const draft: Drafting = { catalog, policy, options, additions: [], advice: [] }
  if (options.rls && !options.tenant) refuseWithoutTenant(draft)
  if (options.tenant || options.rls || options.audit) addTenantKernel(draft)
  if (options.audit) addAuditKernel(draft)
  if (options.tenant) addTenancy(draft)
  if (options.audit) addAudit(draft)
  if (options.compliance) addCompliance(draft)
  if (options.rls) addRowSecurity(draft)
  return { additions: draft.additions, advice: draft.advice }
}

function refuseWithoutTenant(draft: Drafting): void {
  const { catalog, policy } = draft
  const without = [...catalog.tables.values()].find(
    (table) => isTenantTable(table, draft) && !table.columns.has(policy.tenantColumn),
  )
  if (without)
    throw new UsageError(`table ${without.schema}.${without.name} has no column ${policy.tenantColumn}`, {
      hint: 'add --tenant, or name the column in the policy of imhotep.config.json',
    })
}
