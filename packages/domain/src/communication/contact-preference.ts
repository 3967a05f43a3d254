import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import type { Channel, RecipientType } from './queue-notification.ts'

export interface ContactPreference {
  readonly subjectType: RecipientType
  readonly subjectId: string
  readonly channel: Channel
  readonly category: 'transactional' | 'service' | 'promotional'
  readonly optedIn: boolean
  /** The consent that an opt-in to promotional messages rests on. */
  readonly consentId?: string
  /** Times of the day in the tenant's zone, from and to as HH:MM; 24:00 ends the day. Night hours are two ranges. */
  readonly quietHours?: readonly { readonly from: string; readonly to: string }[]
  /** Language (BCP 47). */
  readonly locale?: string
}

export const setContactPreferenceSql = `
select communication.set_contact_preference($1, $2, $3, $4, $5, $6, $7::communication.timemultirange, $8) as id`

/**
 * Records what a person wants for a channel and category, in place of what stood there; returns the row's id.
 * @throws CheckViolationError for an opt-in to promotional messages without a consent, NotPermittedError (IM006) when it is
 * not that person's own consent to marketing, permitted and in force
 */
export async function setContactPreference(tx: Transaction, preference: ContactPreference): Promise<string> {
  const { quietHours } = preference
  const rows = await tx.query<{ id: string }>(setContactPreferenceSql, [
    preference.subjectType,
    preference.subjectId,
    preference.channel,
    preference.category,
    preference.optedIn,
    preference.consentId ?? null,
    quietHours === undefined ? null : `{${quietHours.map(({ from, to }) => `[${from},${to})`).join(',')}}`,
    preference.locale ?? null,
  ])
  return single(rows).id
}
