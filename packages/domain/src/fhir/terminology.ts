import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export interface ValueSetMember {
  /** URI of the code system. */
  readonly system: string
  readonly code: string
  readonly display: string
}

export interface ValueSetInput {
  readonly url: string
  readonly version: string
  readonly name: string
  readonly members: readonly ValueSetMember[]
  /** Columns that are checked against it, as schema.table.column. */
  readonly boundTo?: readonly string[]
}

export const saveValueSetSql = 'select fhir.save_value_set($1, $2, $3, $4::jsonb, $5) as id'

/**
 * Writes a draft version of a value set of the tenant with exactly these members; returns its id.
 * @throws IllegalTransitionError (IM001) when that version is active or retired
 */
export async function saveValueSet(tx: Transaction, input: ValueSetInput): Promise<string> {
  const { url, version, name, members, boundTo = [] } = input
  const params = [url, version, name, JSON.stringify(members), boundTo]
  return single(await tx.query<{ id: string }>(saveValueSetSql, params)).id
}

export const activateValueSetSql = 'select status from fhir.activate_value_set($1)'

/**
 * Makes a draft the version that columns are checked against, and retires the one before.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function activateValueSet(tx: Transaction, valueSetId: string): Promise<void> {
  single(await tx.query(activateValueSetSql, [valueSetId]))
}

export const valueSetContainsSql = 'select fhir.value_set_contains($1, $2, $3) as contains'

/** Whether the active version of a value set has the code: the tenant's own version, else the shared one. */
export async function valueSetContains(
  tx: Transaction,
  url: string,
  code: string,
  system: string | null = null,
): Promise<boolean> {
  return single(await tx.query<{ contains: boolean }>(valueSetContainsSql, [url, code, system])).contains
}

export interface SearchConceptsInput {
  /** URL of the code system. */
  readonly url: string
  /** At least two characters. */
  readonly query: string
  /** Default 20. */
  readonly limit?: number
  /** Default: the current version. */
  readonly version?: string
}

export interface Concept {
  readonly code: string
  readonly display: string
  /** Other texts by language. */
  readonly designations: Readonly<Record<string, readonly string[]>>
}

export const searchConceptsSql = 'select code, display, designations from fhir.search_concepts($1, $2, $3, $4)'

/** The code that was typed, displays that begin so, then those that have all the words. */
export async function searchConcepts(tx: Transaction, input: SearchConceptsInput): Promise<Concept[]> {
  const { url, query, limit = 20, version = null } = input
  return tx.query<Concept>(searchConceptsSql, [url, query, limit, version])
}

export interface TranslateCodeInput {
  readonly sourceSystem: string
  readonly sourceCode: string
  readonly targetSystem: string
  /** Calendar date, YYYY-MM-DD. Default: today. */
  readonly on?: string
}

export interface CodeTranslation {
  /** Empty for unmatched. */
  readonly targetCode: string
  readonly equivalence: 'equivalent' | 'wider' | 'narrower' | 'inexact' | 'unmatched'
  /** A mapping of the tenant, not a shared one. */
  readonly isOwn: boolean
}

export const translateCodeSql = `
select target_code as "targetCode", equivalence, is_own as "isOwn"
from fhir.translate_code($1, $2, $3, coalesce($4::date, core.tenant_today()))`

/** What a code is in another system, the tenant's own mappings first, the closest first. */
export async function translateCode(tx: Transaction, input: TranslateCodeInput): Promise<CodeTranslation[]> {
  const { sourceSystem, sourceCode, targetSystem, on = null } = input
  return tx.query<CodeTranslation>(translateCodeSql, [sourceSystem, sourceCode, targetSystem, on])
}
