import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { deferralColumns, type Donor, donorColumns, type DonorDeferral } from './rows-of-donors.ts'

export interface RegisterDonorInput {
  readonly name: string
  readonly sex: 'male' | 'female' | 'other'
  /** YYYY-MM-DD. */
  readonly birthDate: string
  /** Encrypted by the caller. */
  readonly mobileEnc: Uint8Array
  /** Blind index of the mobile number. */
  readonly mobileBidx: Uint8Array
  /** Default voluntary. */
  readonly donorType?: 'voluntary' | 'replacement' | 'autologous' | 'directed'
  readonly addressEnc?: Uint8Array
  /** The donor as a patient, where that is known. */
  readonly patientId?: string
  readonly consentToRecall?: boolean
}

export const registerDonorSql = `select ${donorColumns}\nfrom blood_bank.register_donor($1, $2, $3, $4, $5, $6, $7, $8, $9)`

/**
 * Registers a donor. The mobile number and birth date are the donor: registered again, the same row.
 * @throws LikelyDuplicateError (IM211)
 */
export async function registerDonor(tx: Transaction, input: RegisterDonorInput): Promise<Donor> {
  return single(
    await tx.query<Donor>(registerDonorSql, [
      input.name,
      input.sex,
      input.birthDate,
      input.mobileEnc,
      input.mobileBidx,
      input.donorType ?? 'voluntary',
      input.addressEnc ?? null,
      input.patientId ?? null,
      input.consentToRecall ?? false,
    ]),
  )
}

export interface DeferDonorInput {
  readonly donorId: string
  readonly reasonCode: string
  readonly kind: 'temporary' | 'permanent'
  /** Member of staff. */
  readonly recordedBy: string
  /** YYYY-MM-DD, of a temporary deferral. */
  readonly untilOn?: string
  /** Default screening. */
  readonly source?: 'screening' | 'tti' | 'post_donation' | 'lookback'
  readonly reasonText?: string
  readonly counselled?: boolean
}

export const deferDonorSql = `select ${deferralColumns}\nfrom blood_bank.defer_donor($1, $2, $3, $4, $5, $6, $7, $8)`

/**
 * Defers a donor; the same reason and source on one day is one deferral.
 * @throws NotFoundError (IM005)
 */
export async function deferDonor(tx: Transaction, input: DeferDonorInput): Promise<DonorDeferral> {
  return single(
    await tx.query<DonorDeferral>(deferDonorSql, [
      input.donorId,
      input.reasonCode,
      input.kind,
      input.recordedBy,
      input.untilOn ?? null,
      input.source ?? 'screening',
      input.reasonText ?? null,
      input.counselled ?? false,
    ]),
  )
}
