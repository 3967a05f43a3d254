import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export interface DocumentTemplate {
  readonly id: string
  readonly code: string
  readonly version: number
  readonly locale: string
  readonly status: 'draft' | 'active' | 'withdrawn' | 'retired'
}

const templateColumns = 'id, code, version, locale, status'

export const activateTemplateSql = `
select ${templateColumns}
from ehr.activate_template($1, coalesce($2::date, core.tenant_today()))`

/**
 * Approves a draft, which its author cannot, and retires the version in use. `effectiveFrom` is YYYY-MM-DD, default today.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function activateTemplate(
  tx: Transaction,
  templateId: string,
  effectiveFrom?: string,
): Promise<DocumentTemplate> {
  return single(await tx.query<DocumentTemplate>(activateTemplateSql, [templateId, effectiveFrom ?? null]))
}

export const withdrawTemplateSql = `select ${templateColumns}\nfrom ehr.withdraw_template($1, $2)`

/**
 * Takes a template out of use: a draft is withdrawn, an active one retired.
 * @throws ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function withdrawTemplate(tx: Transaction, templateId: string, reason: string): Promise<DocumentTemplate> {
  return single(await tx.query<DocumentTemplate>(withdrawTemplateSql, [templateId, reason]))
}
