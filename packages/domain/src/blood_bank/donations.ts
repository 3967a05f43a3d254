import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { type Donation, donationColumns, type DonationKind } from './rows-of-donors.ts'

export interface ScreenDonorInput {
  readonly donorId: string
  readonly kind: DonationKind
  readonly donationSite: string
  readonly weightKg: number
  /** g/dL. */
  readonly haemoglobinGDl: number
  /** mmHg. */
  readonly systolic: number
  /** mmHg. */
  readonly diastolic: number
  readonly pulse: number
  readonly temperatureC: number
  /** Member of staff. */
  readonly screenedBy: string
  /** Answers by question. */
  readonly questionnaire?: Readonly<Record<string, unknown>>
  /** The screener defers the donor, for an answer of the questionnaire. */
  readonly deferReason?: string
  /** YYYY-MM-DD. Default: 28 days on. */
  readonly deferUntil?: string
  readonly consentSignatureId?: string
  readonly campName?: string
  /** 8 to 200 characters, the same for every repetition. */
  readonly key?: string
}

export const screenDonorSql = `select ${donationColumns}\nfrom blood_bank.screen_donor($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::jsonb, $12, $13, $14, $15, $16)`

/**
 * Screens a donor: screened when everything is within the limits, else deferred with a deferral of the donor. The
 * same key and content, the same donation.
 * @throws NotFoundError (IM005), RequestInProgressError (IM010), IdempotencyKeyReusedError (IM011),
 * DonorNotEligibleError (IM359)
 */
export async function screenDonor(tx: Transaction, input: ScreenDonorInput): Promise<Donation> {
  return single(
    await tx.query<Donation>(screenDonorSql, [
      input.donorId,
      input.kind,
      input.donationSite,
      input.weightKg,
      input.haemoglobinGDl,
      input.systolic,
      input.diastolic,
      input.pulse,
      input.temperatureC,
      input.screenedBy,
      JSON.stringify(input.questionnaire ?? {}),
      input.deferReason ?? null,
      input.deferUntil ?? null,
      input.consentSignatureId ?? null,
      input.campName ?? null,
      input.key ?? null,
    ]),
  )
}

export interface StartCollectionInput {
  readonly donationId: string
  /** ISBT 128, 13 characters. */
  readonly din: string
  readonly bagLot: string
  readonly bagType: string
  readonly phlebotomistId: string
  /** Default: now. */
  readonly startedAt?: Date
}

export const startCollectionSql = `select ${donationColumns}\nfrom blood_bank.start_collection($1, $2, $3, $4, $5, coalesce($6, now()))`

/**
 * Labels the bag with its donation identification number and begins.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), DonorNotEligibleError (IM359)
 */
export async function startCollection(tx: Transaction, input: StartCollectionInput): Promise<Donation> {
  return single(
    await tx.query<Donation>(startCollectionSql, [
      input.donationId,
      input.din,
      input.bagLot,
      input.bagType,
      input.phlebotomistId,
      input.startedAt ?? null,
    ]),
  )
}

export interface FinishCollectionInput {
  readonly donationId: string
  readonly volumeMl: number
  /** Default: now. */
  readonly endedAt?: Date
  /** No components are made of it. */
  readonly incomplete?: boolean
  readonly adverseReaction?: Readonly<Record<string, unknown>>
}

export const finishCollectionSql = `select ${donationColumns}\nfrom blood_bank.finish_collection($1, $2, coalesce($3, now()), $4, $5::jsonb)`

/**
 * Ends a collection and starts the interval of the donor.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), DonorNotEligibleError (IM359)
 */
export async function finishCollection(tx: Transaction, input: FinishCollectionInput): Promise<Donation> {
  return single(
    await tx.query<Donation>(finishCollectionSql, [
      input.donationId,
      input.volumeMl,
      input.endedAt ?? null,
      input.incomplete ?? false,
      input.adverseReaction === undefined ? null : JSON.stringify(input.adverseReaction),
    ]),
  )
}
