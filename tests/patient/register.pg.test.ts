import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import { DatabaseError } from '@imhotep/postgres'
import type { RaceClinic } from '../races/clinic.fixture.ts'
import { contextOf, makeTenant } from '../support/tenants.ts'
import { bytes, identifier, openClinic, register, registered } from './patients.fixture.ts'

let clinic: RaceClinic

before(async () => {
  clinic = await openClinic(20)
})
after(() => clinic.close())

test('register: gives the patient an MRN of the series and announces them', async () => {
  const answer = await clinic.as((tx) => register(tx, clinic, { given_name: 'Asha', family_name: 'Rao' }))

  assert.equal(answer.outcome, 'registered')
  assert.match(answer.mrn ?? '', /^M-\d{4}$/)
  assert.deepEqual([answer.candidates, answer.failure_code], [[], null])
  const events = await clinic.as((tx) =>
    tx.query('select event_type from core.outbox_events where aggregate_id = $1', [answer.patient_id]),
  )
  assert.deepEqual(events, [{ event_type: 'patient.registered.v1' }])
})

test('register: the same key and content registers once, other content is refused (IM011)', async () => {
  const person = { given_name: 'Keyed', family_name: 'Person', birth_date: '1971-02-03' }

  const first = await clinic.as((tx) => register(tx, clinic, person, { key: 'key-of-keyed' }))
  const again = await clinic.as((tx) => register(tx, clinic, person, { key: 'key-of-keyed' }))

  assert.deepEqual(again, first)
  await assert.rejects(
    clinic.as((tx) => register(tx, clinic, { ...person, sex: 'male' }, { key: 'key-of-keyed' })),
    { sqlstate: 'IM011' },
  )
})

test('register: shows a likely duplicate (IM211) in another spelling and writes nothing', async () => {
  const known = await registered(clinic, { given_name: 'Mohammed', family_name: 'Farooq', birth_date: '1980-06-07' })
  const before = await patientCount()

  const answer = await clinic.as((tx) =>
    register(tx, clinic, { given_name: 'Faruq', family_name: 'Muhammad', birth_date: '1980-06-07' }),
  )

  assert.deepEqual([answer.outcome, answer.failure_code, answer.patient_id], ['likely_duplicate', 'IM211', null])
  assert.deepEqual(answer.candidates, [{ patient_id: known, score: 0.8, reasons: ['name', 'birth_date', 'sex'] }])
  assert.equal(await patientCount(), before)
})

test('register: force registers a likely duplicate, but not without a reason (IM002)', async () => {
  const person = { given_name: 'Twin', family_name: 'Sister', birth_date: '2001-01-01' }
  const first = await registered(clinic, person)

  await assert.rejects(
    clinic.as((tx) => register(tx, clinic, person, { forceReason: ' ' })),
    { sqlstate: 'IM002' },
  )
  const second = await registered(clinic, person, { forceReason: 'twins' })

  assert.notEqual(second, first)
})

test('register: refuses an identifier of another patient (IM210) and leaves nothing of the attempt', async () => {
  const card = identifier('passport', 'P-1')
  await registered(clinic, { given_name: 'Holder', family_name: 'One' }, { identifiers: [card] })
  const before = await patientCount()

  await assert.rejects(
    clinic.as((tx) => register(tx, clinic, { given_name: 'Somebody', family_name: 'Else' }, { identifiers: [card] })),
    { sqlstate: 'IM210' },
  )

  assert.equal(await patientCount(), before)
})

for (const [what, birth_date] of [
  ['in the future', '2999-01-01'],
  ['more than 130 years ago', '1850-01-01'],
] as const) {
  test(`register: refuses a birth date ${what} (IM212)`, async () => {
    await assert.rejects(
      clinic.as((tx) => register(tx, clinic, { given_name: 'Nobody', birth_date })),
      { sqlstate: 'IM212' },
    )
  })
}

test('register: refuses plain text in an encrypted column (22023) and a key it does not know', async () => {
  await assert.rejects(
    clinic.as((tx) => register(tx, clinic, { given_name: 'Plain', mobile_enc: '+915550100001' })),
    { sqlstate: '22023' },
  )
  await assert.rejects(
    clinic.as((tx) => register(tx, clinic, { given_name: 'Odd', favourite_colour: 'blue' })),
    { sqlstate: '22023' },
  )
})

test('register: a clinic of another tenant does not exist (IM005)', async () => {
  const other = await makeTenant(clinic.superuser)
  const [foreign] = await withTenant(clinic.app, contextOf(other), (tx) =>
    tx.query<{ id: string }>(
      `insert into facility.clinics (tenant_id, code, name, kind, country, timezone)
       values ($1, 'X', 'Foreign', 'clinic', 'SD', 'Africa/Khartoum') returning id`,
      [other],
    ),
  )

  await assert.rejects(
    clinic.as((tx) => register(tx, clinic, { given_name: 'Lost', registered_clinic_id: foreign?.id })),
    { sqlstate: 'IM005' },
  )
})

test('register: 20 desks with the same identifier at once make one patient, the others learn whose it is', async () => {
  const card = identifier('national_id', 'RACE-1')

  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, desk) =>
      attempt({ given_name: `Name${letters(desk)}`, birth_date: `19${30 + desk}-05-05` }, [card]),
    ),
  )

  assert.equal(outcomes.filter((outcome) => outcome === 'registered').length, 1)
  assert.equal(outcomes.filter((outcome) => outcome === 'IM210').length, 19)
})

test('register: 20 desks with the same person at once make one patient, the others are shown the candidate', async () => {
  const person = { given_name: 'Raced', family_name: 'Person', birth_date: '1966-06-06', mobile_bidx: bytes('race') }

  const outcomes = await Promise.all(Array.from({ length: 20 }, () => attempt(person, [])))

  assert.equal(outcomes.filter((outcome) => outcome === 'registered').length, 1)
  assert.equal(outcomes.filter((outcome) => outcome === 'likely_duplicate').length, 19)
})

/** The outcome, or the SQLSTATE of the refusal. */
async function attempt(demographics: object, identifiers: object[]): Promise<string> {
  try {
    return (await clinic.as((tx) => register(tx, clinic, demographics, { identifiers }))).outcome
  } catch (error) {
    if (error instanceof DatabaseError) return error.sqlstate
    throw error
  }
}

/** Names that sound different. */
function letters(index: number): string {
  return `${'bdfglmnprt'[index % 10]}a${'bdfglmnprt'[Math.floor(index / 10)]}u`
}

async function patientCount(): Promise<number> {
  const [row] = await clinic.as((tx) => tx.query<{ count: number }>('select count(*) from patient.patients'))
  return Number(row?.count)
}
