import { createHash } from 'node:crypto'
import type { Transaction } from '@imhotep/postgres'
import { openRaceClinic, type RaceClinic } from '../races/clinic.fixture.ts'

/** What patient.register answers. */
export interface Registration {
  readonly outcome: 'registered' | 'likely_duplicate'
  readonly patient_id: string | null
  readonly mrn: string | null
  readonly candidates: { patient_id: string; score: number; reasons: string[] }[]
  readonly failure_code: string | null
}

export interface RegisterOptions {
  readonly identifiers?: readonly object[]
  readonly key?: string
  /** Registers a likely duplicate all the same. */
  readonly forceReason?: string
}

/** A clinic whose MRNs are M-0001, M-0002 ... */
export async function openClinic(connections = 4): Promise<RaceClinic> {
  const clinic = await openRaceClinic(connections)
  await clinic.as((tx) => tx.query(`select core.configure_series('mrn', '', 'M-', 4)`))
  return clinic
}

/** Registers a person; what `demographics` does not say is made up. */
export async function register(
  tx: Transaction,
  { clinic }: RaceClinic,
  demographics: object,
  { identifiers = [], key, forceReason }: RegisterOptions = {},
): Promise<Registration> {
  const person = { sex: 'female', birth_date: '1990-01-01', registered_clinic_id: clinic, ...demographics }
  const [row] = await tx.query<Registration>('select * from patient.register($1, $2, $3, $4, $5)', [
    person,
    identifiers,
    key ?? null,
    forceReason !== undefined,
    forceReason ?? null,
  ])
  if (!row) throw new Error('patient.register answers one row')
  return row
}

/** Registers a person and returns the id. */
export async function registered(
  clinic: RaceClinic,
  demographics: object,
  options: RegisterOptions = {},
): Promise<string> {
  const { patient_id, outcome } = await clinic.as((tx) => register(tx, clinic, demographics, options))
  if (patient_id === null) throw new Error(`not registered: ${outcome}`)
  return patient_id
}

/** An identifier as an application sends it: encrypted value and blind index in hexadecimal. */
export function identifier(kind: string, value: string, rest: object = {}): object {
  return {
    kind,
    system_uri: `https://example.org/${kind}`,
    value_enc: bytes(`cipher of ${value}`),
    value_bidx: bytes(value),
    value_last4: value.slice(-4),
    ...rest,
  }
}

/** The SHA-256 of a text, written as PostgreSQL writes bytea. */
export function bytes(text: string): string {
  return `\\x${createHash('sha256').update(text).digest('hex')}`
}
