import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { groupColumns, type PatientBloodGroup } from './rows-of-units.ts'

export interface RecordPatientGroupInput {
  readonly patientId: string
  readonly sampleId: string
  readonly abo: 'A' | 'B' | 'AB' | 'O'
  readonly rhd: 'pos' | 'neg' | 'weak'
  readonly testedBy: string
  /** Default not_done. */
  readonly antibodyScreen?: 'negative' | 'positive' | 'not_done'
  readonly antibodies?: readonly string[]
  /** Default: now. */
  readonly testedAt?: Date
}

export const recordPatientGroupSql = `select ${groupColumns}\nfrom blood_bank.record_patient_group($1, $2, $3, $4, $5, $6, $7, coalesce($8, now()))`

/**
 * Records what a sample says about the group of a patient; discrepant when it contradicts another sample.
 * @throws NotFoundError (IM005), IdempotencyKeyReusedError (IM011), CrossmatchError (IM353)
 */
export async function recordPatientGroup(tx: Transaction, input: RecordPatientGroupInput): Promise<PatientBloodGroup> {
  return single(
    await tx.query<PatientBloodGroup>(recordPatientGroupSql, [
      input.patientId,
      input.sampleId,
      input.abo,
      input.rhd,
      input.testedBy,
      input.antibodyScreen ?? 'not_done',
      input.antibodies ?? [],
      input.testedAt ?? null,
    ]),
  )
}

export const confirmPatientGroupSql = `select ${groupColumns}\nfrom blood_bank.confirm_patient_group($1, $2)`

/**
 * A second person confirms a group that another, independently taken sample agrees with.
 * @throws NotFoundError (IM005), SamePersonError (IM312), GroupUnconfirmedError (IM355)
 */
export async function confirmPatientGroup(
  tx: Transaction,
  groupId: string,
  verifiedBy: string,
): Promise<PatientBloodGroup> {
  return single(await tx.query<PatientBloodGroup>(confirmPatientGroupSql, [groupId, verifiedBy]))
}

export const resolveDiscrepancySql = `select ${groupColumns}\nfrom blood_bank.resolve_discrepancy($1, $2, $3)`

/**
 * Says which of the contradicting samples was right; returns the rows that it changed.
 * @throws ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function resolveDiscrepancy(
  tx: Transaction,
  rightGroupId: string,
  resolvedBy: string,
  note: string,
): Promise<PatientBloodGroup[]> {
  return tx.query<PatientBloodGroup>(resolveDiscrepancySql, [rightGroupId, resolvedBy, note])
}
