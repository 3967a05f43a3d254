import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** A company that processes data for the hospital. */
export interface DataProcessor {
  readonly id: string
  readonly name: string
  readonly service: string
  readonly country: string
  /** ISO date. */
  readonly expiresOn: string | null
  readonly status: 'draft' | 'active' | 'expired' | 'terminated'
}

const processorColumns = `id, name, service, country, expires_on::text as "expiresOn", status`

export interface AddProcessorInput {
  readonly name: string
  /** What it does with the data. */
  readonly service: string
  readonly dataCategories: readonly string[]
  /** ISO 3166-1, two letters. */
  readonly country: string
  readonly contractKind: 'BAA' | 'DPA' | 'both'
  readonly subprocessors?: readonly { readonly name: string; readonly country: string }[]
  readonly apiClientId?: string
}

export const addProcessorSql = `
select ${processorColumns} from compliance.add_processor($1, $2, $3, $4, $5, $6::jsonb, $7)`

/**
 * Notes a processor as a draft; name and service name it once.
 * @throws CountryRestrictedError (IM916)
 */
export async function addProcessor(tx: Transaction, input: AddProcessorInput): Promise<DataProcessor> {
  const rows = await tx.query<DataProcessor>(addProcessorSql, [
    input.name,
    input.service,
    input.dataCategories,
    input.country,
    input.contractKind,
    JSON.stringify(input.subprocessors ?? []),
    input.apiClientId ?? null,
  ])
  return single(rows)
}

export interface ActivateProcessorInput {
  readonly processorId: string
  /** The signed contract. */
  readonly contractDocumentId: string
  /** ISO dates. */
  readonly signedOn: string
  readonly expiresOn?: string
}

export const activateProcessorSql = `select ${processorColumns} from compliance.activate_processor($1, $2, $3, $4)`

/**
 * The contract is signed, or renewed.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), CountryRestrictedError (IM916)
 */
export async function activateProcessor(tx: Transaction, input: ActivateProcessorInput): Promise<DataProcessor> {
  const { processorId, contractDocumentId, signedOn, expiresOn = null } = input
  return single(
    await tx.query<DataProcessor>(activateProcessorSql, [processorId, contractDocumentId, signedOn, expiresOn]),
  )
}

export const reviewProcessorSql = `select ${processorColumns} from compliance.review_processor($1)`

/**
 * Somebody looked at the processor today.
 * @throws NotFoundError (IM005)
 */
export async function reviewProcessor(tx: Transaction, processorId: string): Promise<DataProcessor> {
  return single(await tx.query<DataProcessor>(reviewProcessorSql, [processorId]))
}

export const terminateProcessorSql = `select ${processorColumns} from compliance.terminate_processor($1, $2)`

/**
 * The contract was ended.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function terminateProcessor(tx: Transaction, processorId: string, reason: string): Promise<DataProcessor> {
  return single(await tx.query<DataProcessor>(terminateProcessorSql, [processorId, reason]))
}

export const expireProcessorsSql = `select compliance.expire_processors($1) as expired`

/** Job: marks processors whose contract ran out; returns how many. */
export async function expireProcessors(tx: Transaction, limit = 100): Promise<number> {
  return single(await tx.query<{ expired: number }>(expireProcessorsSql, [limit])).expired
}
