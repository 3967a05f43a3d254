import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { RaceClinic } from '../races/clinic.fixture.ts'
import { identifier, openClinic, registered } from './patients.fixture.ts'

const proposer = randomUUID()
const approver = randomUUID()
let clinic: RaceClinic

before(async () => {
  clinic = await openClinic()
})
after(() => clinic.close())

test('merge: moves identifiers and contacts to the survivor, and only a second person may approve it (IM006)', async () => {
  const { survivor, duplicate } = await pair('Moved', [identifier('passport', 'MOVED')])
  await addContact(duplicate)
  await propose(survivor, duplicate)

  await assert.rejects(merge(survivor, duplicate, proposer), { sqlstate: 'IM006' })
  await merge(survivor, duplicate)

  assert.deepEqual(await stateOf(duplicate), {
    status: 'merged',
    merged_into_id: survivor,
    identifiers: 0,
    contacts: 0,
  })
  assert.deepEqual(await stateOf(survivor), { status: 'active', merged_into_id: null, identifiers: 1, contacts: 1 })
})

test('merge: a pair that nobody proposed is refused (IM005), a merged pair merged again changes nothing', async () => {
  const { survivor, duplicate } = await pair('Unasked')

  await assert.rejects(merge(survivor, duplicate), { sqlstate: 'IM005' })
  await propose(survivor, duplicate)
  const first = await merge(survivor, duplicate)

  assert.equal(await merge(survivor, duplicate), first)
})

test('merge: refuses two people with different ABHA numbers (IM213)', async () => {
  const survivor = await registered(clinic, person('Abha', 1), { identifiers: [identifier('abha_number', 'A-1')] })
  const duplicate = await registered(clinic, person('Abha', 2), { identifiers: [identifier('abha_number', 'A-2')] })
  await propose(survivor, duplicate)

  await assert.rejects(merge(survivor, duplicate), { sqlstate: 'IM213' })

  assert.equal((await stateOf(duplicate))?.status, 'active')
})

test('merge: whoever was merged into the duplicate before points to the survivor', async () => {
  const { survivor, duplicate } = await pair('Chain')
  const first = await registered(clinic, person('Chain', 3))
  await propose(duplicate, first)
  await merge(duplicate, first)
  await propose(survivor, duplicate)

  await merge(survivor, duplicate)

  assert.equal((await stateOf(first))?.merged_into_id, survivor)
})

test('unmerge: gives back exactly what the merge moved', async () => {
  const { survivor, duplicate } = await pair('Back', [identifier('passport', 'BACK', { is_primary: true })])
  await addContact(duplicate)
  await propose(survivor, duplicate)
  const before = [await stateOf(survivor), await stateOf(duplicate)]
  const id = await merge(survivor, duplicate)

  await assert.rejects(unmerge(id, ''), { sqlstate: 'IM002' })
  await unmerge(id, 'two people after all')
  await unmerge(id, 'two people after all')

  assert.deepEqual([await stateOf(survivor), await stateOf(duplicate)], before)
  const [flag] = await clinic.as((tx) =>
    tx.query('select is_primary from patient.patient_identifiers where patient_id = $1', [duplicate]),
  )
  assert.deepEqual(flag, { is_primary: true })
})

test('unmerge: a later merge must be taken back first (IM006)', async () => {
  const { survivor, duplicate } = await pair('Order')
  const third = await registered(clinic, person('Order', 3))
  await propose(survivor, duplicate)
  const first = await merge(survivor, duplicate)
  await propose(third, survivor)
  await merge(third, survivor)

  await assert.rejects(unmerge(first, 'too early'), { sqlstate: 'IM006' })
})

test('dismiss_merge: closes the proposal, and the pair may be proposed again', async () => {
  const { survivor, duplicate } = await pair('Cousin')
  const id = await propose(survivor, duplicate)

  await clinic.as((tx) => tx.query('select patient.dismiss_merge($1, $2)', [id, 'cousins']), approver)

  await assert.rejects(merge(survivor, duplicate), { sqlstate: 'IM005' })
  assert.notEqual(await propose(survivor, duplicate), id)
})

/** People of one name who were born years apart: no likely duplicates. */
function person(family_name: string, number: number): object {
  return { given_name: 'Test', family_name, birth_date: `${1940 + number * 10}-01-01` }
}

async function pair(name: string, identifiers: object[] = []): Promise<{ survivor: string; duplicate: string }> {
  const survivor = await registered(clinic, person(name, 1))
  return { survivor, duplicate: await registered(clinic, person(name, 2), { identifiers }) }
}

async function addContact(patient: string): Promise<void> {
  await clinic.as((tx) =>
    tx.query(
      `insert into patient.patient_contacts (tenant_id, patient_id, name, relationship) values ($1, $2, 'Test', 'sister')`,
      [clinic.tenant, patient],
    ),
  )
}

function propose(survivor: string, duplicate: string): Promise<string> {
  return call('select patient.propose_merge($1, $2, $3) as id', [survivor, duplicate, 'same person'], proposer)
}

function merge(survivor: string, duplicate: string, user = approver): Promise<string> {
  return call('select patient.merge($1, $2) as id', [survivor, duplicate], user)
}

function unmerge(id: string, reason: string): Promise<string> {
  return call('select patient.unmerge($1, $2) as id', [id, reason], approver)
}

async function call(sql: string, params: unknown[], user: string): Promise<string> {
  const [row] = await clinic.as((tx) => tx.query<{ id: string }>(sql, params), user)
  assert.ok(row)
  return row.id
}

interface PatientState {
  status: string
  merged_into_id: string | null
  identifiers: number
  contacts: number
}

async function stateOf(patient: string): Promise<PatientState | undefined> {
  const [row] = await clinic.as((tx) =>
    tx.query<PatientState>(
      `select
         p.status, p.merged_into_id,
         (select count(*)::int from patient.patient_identifiers i where i.patient_id = p.id) as identifiers,
         (select count(*)::int from patient.patient_contacts c where c.patient_id = p.id) as contacts
       from patient.patients p where p.id = $1`,
      [patient],
    ),
  )
  return row
}
