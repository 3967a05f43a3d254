import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { placeLegalHold, runErasure } from '@imhotep/domain'
import { withTenant } from '@imhotep/kernel'
import {
  CommitUnknownError,
  connect,
  ConnectionFailedError,
  ConnectionLostError,
  DatabaseError,
  type Database,
  type Transaction,
} from '@imhotep/postgres'
import {
  addOldPatient,
  openPrivacyOffice,
  type PrivacyOffice,
} from '../../packages/domain/src/compliance/compliance.fixture.ts'
import { killSession } from './clinic.fixture.ts'

const patients = 40
let office: PrivacyOffice
let app: Database
let people: { id: string; kid: string }[]
let policyId: string

before(async () => {
  office = await openPrivacyOffice()
  const { admin } = office.hospital
  const [row] = await admin.query<{ name: string; port: number; host: string; policy: string }>(
    `select current_database() as name, inet_server_port() as port, host(inet_server_addr()) as host, r.id as policy
     from compliance.retention_policies r where r.tenant_id is null and r.class = 'medical_record'`,
  )
  assert.ok(row)
  policyId = row.policy
  app = connect(`postgres://imhotep_app:imhotep-test@${row.host}:${row.port}/${row.name}`, { max: 3 * patients })
  people = []
  for (let n = 0; n < patients; n += 1) people.push(await addOldPatient(office.hospital))
})
after(async () => {
  await app.close()
  await office.hospital.close()
})

const as = <T>(work: (tx: Transaction) => Promise<T>) => {
  const { tenant, users } = office.hospital
  return withTenant(app, { tenant, user: users[0], role: 'auditor', purpose: 'HOPERAT' }, work)
}

test('run_erasure: 80 erasures race with holds on the same 40 patients, many killed: nobody is erased under a hold', async () => {
  const killed = new Set<number>()
  const work = people.flatMap(({ id: patientId }, index) => [
    ...[0, 1].map((copy) => async (tx: Transaction) => {
      const erased = await runErasure(tx, { policyId, patientId })
      await maybeKill(tx, 3 * index + copy, killed)
      return `erased ${erased.length}`
    }),
    async (tx: Transaction) => {
      const { status } = await placeLegalHold(tx, { reason: 'race', patientId, id: patientId })
      await maybeKill(tx, 3 * index + 2, killed)
      return status
    },
  ])

  const answers = await Promise.all(work.map((one, index) => untilAnswered(index, () => as(one))))

  const books = await office.hospital.admin.query<{ id: string; erased: boolean; whole: boolean; held: boolean }>(
    `select p.id,
       k.status = 'destroyed' and p.given_name = 'Erased' and e.steps = 4 as erased,
       k.status = 'active' and p.given_name = 'Once' and e.steps = 0 as whole,
       exists (select from compliance.legal_holds h where h.patient_id = p.id) as held
     from patient.patients p
     join core.encryption_keys k on k.subject_id = p.id
     cross join lateral (
       select count(*)::int as steps from compliance.erasure_log e
       where e.patient_ref_hash = compliance.patient_ref_hash(p.tenant_id, p.id)
     ) e`,
  )
  assert.equal(books.length, patients)
  assert.ok(
    books.every(({ erased, whole }) => erased !== whole),
    'each is wholly erased or wholly there',
  )
  assert.ok(books.every(({ held }) => held))
  const broken = people.filter(({ id }, index) => {
    const erased = books.some((book) => book.id === id && book.erased)
    const told = answers.slice(3 * index, 3 * index + 3)
    // who was erased before the hold was so for both who asked, who was held was refused to both
    return told.join() !== (erased ? 'erased 4,erased 4,active' : 'IM910,IM910,active')
  })
  assert.deepEqual(broken, [])
  const late = await Promise.all(
    books
      .filter(({ whole }) => whole)
      .map(({ id }, index) =>
        untilAnswered(index, () =>
          as(async (tx) => `erased ${(await runErasure(tx, { policyId, patientId: id })).length}`),
        ),
      ),
  )
  assert.ok(late.every((answer) => answer === 'IM910'))
  console.log(`erasure: ${patients - late.length} erased before their hold, ${late.length} held, 0 erased under a hold`)
})

async function maybeKill(tx: Transaction, index: number, killed: Set<number>): Promise<void> {
  if (killed.has(index)) return
  killed.add(index)
  const { admin } = office.hospital
  if (index % 7 === 3) await killSession(admin, tx)
  if (index % 7 === 5) void killSession(admin, tx).catch(() => undefined)
}

/** A client that never gives up: after a lost connection or a long wait it asks again, as it must. */
async function untilAnswered(index: number, ask: () => Promise<string>): Promise<string> {
  for (let attempt = 0; attempt < 40; attempt += 1) {
    try {
      return await ask()
    } catch (error) {
      if (error instanceof DatabaseError && error.sqlstate.startsWith('IM')) return error.sqlstate
      const again =
        error instanceof ConnectionLostError ||
        error instanceof ConnectionFailedError ||
        error instanceof CommitUnknownError ||
        (error instanceof DatabaseError && ['57P01', '55P03', '40P01'].includes(error.sqlstate))
      if (!again) throw error
    }
  }
  throw new Error(`client ${index} got no answer`)
}
