import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** Data of a patient that went to somebody else. */
export interface AccountedDisclosure {
  readonly disclosedAt: Date
  readonly recipient: string
  readonly legalBasis: string
  readonly purposeOfUse: string
  readonly resourceType: string
  readonly resourceId: string | null
  readonly fields: string[] | null
  readonly userId: string | null
}

export const disclosureAccountingSql = `
select
  disclosed_at as "disclosedAt", recipient, legal_basis as "legalBasis", purpose_of_use as "purposeOfUse",
  resource_type as "resourceType", resource_id as "resourceId", fields, user_id as "userId"
from compliance.disclosure_accounting(
  $1, coalesce($2::timestamptz, now() - interval '6 years'), coalesce($3::timestamptz, now())
)`

/** Every disclosure of a patient's data in a window, by default the last six years, the oldest first. */
export function disclosureAccounting(
  tx: Transaction,
  patientId: string,
  window: { readonly from?: Date; readonly to?: Date } = {},
): Promise<AccountedDisclosure[]> {
  return tx.query<AccountedDisclosure>(disclosureAccountingSql, [patientId, window.from ?? null, window.to ?? null])
}

/** Everything that is held on a person. */
export interface PersonExport {
  readonly patient_id: string
  readonly taken_at: string
  readonly row_count: number
  /** Rows by `schema.table`; encrypted columns in hexadecimal. */
  readonly tables: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>
  /** Tables that the caller may not read: without them the export is not complete. */
  readonly not_readable: readonly string[]
}

export const exportPersonSql = `select compliance.export_person($1) as export`

/**
 * Everything that is held on a patient, under all records that were merged. The export is logged.
 * @throws NotFoundError (IM005)
 */
export async function exportPerson(tx: Transaction, patientId: string): Promise<PersonExport> {
  return single(await tx.query<{ export: PersonExport }>(exportPersonSql, [patientId])).export
}
