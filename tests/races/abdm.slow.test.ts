import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import {
  CommitUnknownError,
  ConnectionFailedError,
  ConnectionLostError,
  DatabaseError,
  type Transaction,
  type TransactionOptions,
} from '@imhotep/postgres'
import { contextOf } from '../support/tenants.ts'
import { addPatients, at, killSome, openRaceClinic, type RaceClinic, tally } from './clinic.fixture.ts'

const clients = 100
let clinic: RaceClinic

before(async () => {
  clinic = await openRaceClinic(clients)
})
after(() => clinic.close())

test('link_abha: 100 clients link 100 ABHAs to one patient, many killed: one is linked, 99 are told IM701', async () => {
  const patient = at(await addPatients(clinic, 1), 0)
  const accounts = await verifiedAccounts('many', clients)

  const answers = await Promise.all(accounts.map((account, index) => linkUntilAnswered(index, patient, account)))

  assert.deepEqual(tally(answers), { linked: 1, IM701: 99 })
  assert.deepEqual(await linkedAccounts(patient), [at(accounts, answers.indexOf('linked'))])
})

test('link_abha: 100 clients link one ABHA to 100 patients, many killed: one has it, 99 are told IM700', async () => {
  const patients = await addPatients(clinic, clients)
  const account = at(await verifiedAccounts('one', 1), 0)

  const answers = await Promise.all(patients.map((patient, index) => linkUntilAnswered(index, patient, account)))

  const [winner] = await clinic.superuser.query<{ patient_id: string }>(
    'select patient_id from abdm.abha_accounts where id = $1',
    [account],
  )
  assert.equal(winner?.patient_id, at(patients, answers.indexOf('linked')))
  assert.deepEqual(tally(answers), { linked: 1, IM700: 99 })
})

test('link_abha: 100 clients link the same ABHA to the same patient at once: one link, one event, one answer', async () => {
  const patient = at(await addPatients(clinic, 1), 0)
  const account = at(await verifiedAccounts('same', 1), 0)

  const answers = await Promise.all(
    Array.from({ length: clients }, (_, index) => linkUntilAnswered(index, patient, account)),
  )

  assert.deepEqual(tally(answers), { linked: clients })
  const events = await clinic.superuser.query('select event_type from core.outbox_events where aggregate_id = $1', [
    account,
  ])
  assert.deepEqual(events, [{ event_type: 'abha.linked.v1' }])
})

test('authorise_transfer: 100 sessions under a consent for 5 an hour, many killed: 5 move, 95 are told IM712', async () => {
  const artefact = await grantedArtefact(4)
  const sessions = await openSessions(artefact, clients)

  const answers = await Promise.all(sessions.map((session, index) => authoriseUntilAnswered(index, session)))

  assert.deepEqual(tally(answers), { acknowledged: 5, IM712: 95 })
  assert.equal(await authorisedSessions(artefact), 5)
})

test('authorise_transfer: in repeatable read as well the frequency holds', async () => {
  const artefact = await grantedArtefact(2)
  const sessions = await openSessions(artefact, 20)

  const answers = await Promise.all(
    sessions.map((session, index) => authoriseUntilAnswered(index, session, 'repeatable read')),
  )

  assert.equal(await authorisedSessions(artefact), 3)
  assert.equal(answers.filter((answer) => answer === 'acknowledged').length, 3)
})

test('ingest_consent: revoking while 100 sessions ask: none is authorised afterwards and no key is left', async () => {
  const artefact = await grantedArtefact(1000)
  const sessions = await openSessions(artefact, clients)

  const answers = await Promise.all([
    ...sessions.slice(0, 50).map((session, index) => authoriseUntilAnswered(index, session)),
    clinic.as(async (tx) => {
      const message = { role: 'HIU', status: 'REVOKED', artefact_id: artefact }
      await tx.query('select abdm.ingest_consent($1, $2)', [randomUUID(), message])
      return 'revoked'
    }),
    ...sessions.slice(50).map((session, index) => authoriseUntilAnswered(index, session)),
  ])

  const left = await clinic.superuser.query(
    `select h.status
     from abdm.health_info_requests h join abdm.consent_artefacts a on a.id = h.artefact_row_id
     where a.artefact_id = $1 and (h.own_private_key_enc is not null or h.status not in ('failed', 'rejected'))`,
    [artefact],
  )
  assert.deepEqual(left, [])
  assert.ok(answers.every((answer) => ['acknowledged', 'revoked', 'IM710', 'IM001'].includes(answer)))
})

function linkUntilAnswered(index: number, patient: string, account: string): Promise<string> {
  return untilAnswered(index, (tx) =>
    tx.query<{ status: string }>(`select status from abdm.link_abha($1, $2, 'same person, seen at the desk')`, [
      patient,
      account,
    ]),
  )
}

function authoriseUntilAnswered(index: number, session: string, isolation?: Isolation): Promise<string> {
  return untilAnswered(
    index,
    (tx) => tx.query<{ status: string }>('select status from abdm.authorise_transfer($1)', [session]),
    isolation,
  )
}

type Isolation = NonNullable<TransactionOptions['isolation']>
type Attempt = (tx: Transaction) => Promise<{ status: string }[]>

/** A client that never gives up: after a lost connection it asks again. Answers with the status or the refusal's code. */
async function untilAnswered(index: number, ask: Attempt, isolation: Isolation = 'read committed'): Promise<string> {
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      const work = async (tx: Transaction) => {
        const [answer] = await ask(tx)
        await killSome(clinic.superuser, tx, index, attempt)
        return answer?.status ?? ''
      }
      return await withTenant(clinic.app, contextOf(clinic.tenant), work, { isolation })
    } catch (error) {
      if (error instanceof DatabaseError && error.sqlstate.startsWith('IM')) return error.sqlstate
      if (!isWorthAnotherTry(error)) throw error
    }
  }
  throw new Error(`client ${index} got no answer`)
}

/** The connection is gone, or the server asks to try again: serialization, deadlock, lock timeout. */
function isWorthAnotherTry(error: unknown): boolean {
  return (
    error instanceof ConnectionLostError ||
    error instanceof ConnectionFailedError ||
    error instanceof CommitUnknownError ||
    (error instanceof DatabaseError && ['57P01', '40001', '40P01', '55P03'].includes(error.sqlstate))
  )
}

async function verifiedAccounts(prefix: string, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => randomUUID())
  await clinic.asSuperuser(
    `insert into abdm.abha_accounts (tenant_id, id, abha_address, verified_at, verified_via)
     select $1, id, $3 || n || '@sbx', now(), 'scan_share' from unnest($2::uuid[]) with ordinality as a (id, n)`,
    [clinic.tenant, ids, prefix],
  )
  await clinic.asSuperuser(`update abdm.abha_accounts set status = 'verified' where id = any ($1)`, [ids])
  return ids
}

async function linkedAccounts(patient: string): Promise<string[]> {
  const rows = await clinic.superuser.query<{ id: string }>(
    `select id from abdm.abha_accounts where patient_id = $1 and status = 'linked'`,
    [patient],
  )
  return rows.map(({ id }) => id)
}

/** An artefact of one context that allows `repeats` transfers an hour beyond the first; returns its network id. */
async function grantedArtefact(repeats: number): Promise<string> {
  const artefactId = randomUUID()
  const artefact = {
    artefact_id: artefactId,
    abha_address: 'somebody@sbx',
    hip_id: 'IN1',
    hiu_id: 'IN2',
    consent_manager_id: 'sbx',
    purpose: 'CAREMGT',
    hi_types: ['Prescription'],
    access_mode: 'VIEW',
    data_from: '2026-01-01',
    data_to: '2026-12-31',
    data_erase_at: '2100-01-01',
    frequency_unit: 'HOUR',
    frequency_value: 1,
    frequency_repeats: repeats,
    detail: {},
    signature: 'signature',
    signature_valid: true,
    care_contexts: [{ patient_reference: 'p', care_context_reference: 'visit' }],
  }
  await clinic.as((tx) =>
    tx.query('select abdm.ingest_consent($1, $2)', [randomUUID(), { role: 'HIU', status: 'GRANTED', artefact }]),
  )
  return artefactId
}

async function openSessions(artefactId: string, count: number): Promise<string[]> {
  return clinic.as(async (tx) => {
    const ids: string[] = []
    for (let i = 0; i < count; i++) {
      const session = {
        role: 'HIU',
        request_id: randomUUID(),
        artefact_id: artefactId,
        data_from: '2026-01-01',
        data_to: '2026-06-30',
        data_push_url: 'https://hiu.example.org/push',
        peer_public_key: 'key',
        peer_nonce: 'nonce',
        own_private_key_enc: '\\x01',
      }
      ids.push(at(await tx.query<{ id: string }>('select id from abdm.open_session($1)', [session]), 0).id)
    }
    return ids
  })
}

async function authorisedSessions(artefactId: string): Promise<number> {
  const [row] = await clinic.superuser.query<{ count: number }>(
    `select count(*)::int
     from abdm.health_info_requests h join abdm.consent_artefacts a on a.id = h.artefact_row_id
     where a.artefact_id = $1 and h.authorised_at is not null`,
    [artefactId],
  )
  return row?.count ?? 0
}
