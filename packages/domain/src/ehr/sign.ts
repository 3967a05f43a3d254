import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** An electronic signature; the signer is always the signed-in user. */
export interface Signature {
  readonly id: string
  readonly signerUserId: string
  readonly signerRole: string
  readonly meaning: SignatureMeaning
  readonly signedAt: Date
}

export type SignatureMeaning = 'author' | 'verify' | 'approve' | 'witness' | 'consent' | 'receive'

export type SignatureMethod = 'password_reauth' | 'totp' | 'aadhaar_esign' | 'dsc' | 'drawn' | 'biometric'

interface SigningOptions {
  /** SHA-256 of what the signer saw. */
  readonly digest: Uint8Array
  /** Default: author. */
  readonly meaning?: SignatureMeaning
  /** How the signer proved who they are. Default: password_reauth. */
  readonly method?: SignatureMethod
  /** Needed for dsc and aadhaar_esign, with `certificateRef`. */
  readonly signature?: Uint8Array
  readonly certificateRef?: string
}

const signatureColumns = `
  id, signer_user_id as "signerUserId", signer_role as "signerRole", meaning, signed_at as "signedAt"`

export interface SignDocumentInput extends SigningOptions {
  readonly documentId: string
}

export const signDocumentSql = `select ${signatureColumns}\nfrom ehr.sign_document($1, $2, $3, $4, $5, $6)`

/**
 * Signs the content of a document. Signing again with the same meaning returns the first signature.
 * @throws IllegalTransitionError (IM001), StaleVersionError (IM004) the content is not what was signed, NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function signDocument(tx: Transaction, input: SignDocumentInput): Promise<Signature> {
  return single(await tx.query<Signature>(signDocumentSql, [input.documentId, ...signingParameters(input)]))
}

export interface SignRecordInput extends SigningOptions {
  /** Table of the row, such as `clinical.procedures`. */
  readonly subjectType: `${string}.${string}`
  readonly subjectId: string
}

export const signRecordSql = `select ${signatureColumns}\nfrom ehr.sign_record($1, $2, $3, $4, $5, $6, $7)`

/**
 * Signs a row of another table.
 * @throws NotPermittedError (IM006) nobody is signed in
 */
export async function signRecord(tx: Transaction, input: SignRecordInput): Promise<Signature> {
  const { subjectType, subjectId } = input
  return single(await tx.query<Signature>(signRecordSql, [subjectType, subjectId, ...signingParameters(input)]))
}

function signingParameters({ digest, meaning, method, signature, certificateRef }: SigningOptions): unknown[] {
  return [digest, meaning ?? 'author', method ?? 'password_reauth', signature ?? null, certificateRef ?? null]
}
