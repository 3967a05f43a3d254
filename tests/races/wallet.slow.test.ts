import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CommitUnknownError,
  connect,
  ConnectionFailedError,
  ConnectionLostError,
  DatabaseError,
  type Transaction,
} from '@imhotep/postgres'
import { withTenant } from '@imhotep/kernel'
import { withHospital } from '../../packages/domain/src/hospital.fixture.ts'
import { requestCancellation } from '../../packages/domain/src/insurance/follow-up.ts'
import { draftClaim } from '../../packages/domain/src/insurance/draft-claim.ts'
import {
  addBeneficiary,
  answer,
  approval,
  asAdmin,
  linesOf,
  openCase,
  openScheme,
  submitted,
  type Scheme,
} from '../../packages/domain/src/insurance/insurance.fixture.ts'
import { submitPreauth } from '../../packages/domain/src/insurance/submit.ts'
import { killSome, tally } from './clinic.fixture.ts'

const clients = 150

interface Race {
  readonly scheme: Scheme
  /** As an application with a connection per client; the sessions of many clients are killed before or during commit. */
  readonly compete: <T>(index: number, work: (tx: Transaction) => Promise<T>) => Promise<T>
}

async function race(work: (race: Race) => Promise<void>): Promise<void> {
  await withHospital(async (hospital) => {
    const app = connect(hospital.app.url, { max: clients })
    const context = { tenant: hospital.tenant, user: hospital.users[0], role: 'biller', purpose: 'HPAYMT' } as const
    try {
      await work({
        scheme: await openScheme(hospital),
        compete: async (index, task) => {
          for (let attempt = 0; attempt < 30; attempt++) {
            try {
              return await withTenant(app, context, async (tx) => {
                const answered = await task(tx)
                await killSome(hospital.admin, tx, index, attempt)
                return answered
              })
            } catch (error) {
              if (!isWorthAnother(error)) throw error
            }
          }
          throw new Error(`client ${index} got no answer`)
        },
      })
    } finally {
      await app.close()
    }
  })
}

/** Killed, or waited longer for the wallet than lock_timeout. */
function isWorthAnother(error: unknown): boolean {
  return (
    error instanceof ConnectionLostError ||
    error instanceof ConnectionFailedError ||
    error instanceof CommitUnknownError ||
    (error instanceof DatabaseError && ['57P01', '55P03', '40001', '40P01'].includes(error.sqlstate))
  )
}

function refusal(error: unknown): string {
  if (error instanceof DatabaseError && error.sqlstate.startsWith('IM')) return error.sqlstate
  throw error
}

test('wallet: 150 pre-authorisations of one family, many killed, never hold more than it has', () =>
  race(async ({ scheme, compete }) => {
    // 150 newborns are no family: 30 members, five clients each who all submit the member's pre-authorisation
    const members = await Promise.all(
      Array.from({ length: 30 }, () => addBeneficiary(scheme, { balance: 32_000, family: 'one' })),
    )
    const drafts: string[] = []
    for (const member of members) {
      const { id: caseId } = await openCase(scheme, member)
      const draft = await scheme.hospital.run((tx) => draftClaim(tx, { caseId }, linesOf(scheme, 'SG002')))
      drafts.push(draft.id)
    }

    const answers = await Promise.all(
      Array.from({ length: clients }, (_, index) =>
        compete(index, (tx) => submitPreauth(tx, drafts[index % drafts.length] ?? '')).then(
          ({ status }) => status as string,
          refusal,
        ),
      ),
    )

    // 32,000 is enough for six of 5,000; the five clients of a member get one answer
    assert.deepEqual(tally(answers), { submitted: 30, IM601: 120 })
    assert.deepEqual(await wallet(scheme), { held: '30000.00', blocked: '30000.00', submitted: 6 })
  }))

test('wallet: approvals, rejections and cancellations in between keep holds and cases in step', () =>
  race(async ({ scheme, compete }) => {
    const members = await Promise.all(
      Array.from({ length: 20 }, () => addBeneficiary(scheme, { balance: 1_000_000, family: 'two' })),
    )
    const sent = []
    for (const member of members) sent.push(await submitted(scheme, (await openCase(scheme, member)).id, 'SG002'))

    await Promise.all(
      sent.map(async (claim, index) => {
        if (index % 3 === 0) return answer(scheme, claim.correlationId, { adjudication: 'rejected' })
        if (index % 3 === 1)
          return answer(
            scheme,
            claim.correlationId,
            approval({ totalApproved: 4000, adjudication: 'partially_approved' }),
          )
        await answer(scheme, claim.correlationId, approval())
        return compete(index, (tx) => requestCancellation(tx, claim.id, 'not needed'))
      }),
    )

    assert.deepEqual(await wallet(scheme), { held: '58000.00', blocked: '58000.00', submitted: 0 })
  }))

test('drafts: 150 clients, many killed, make one live root of a case', () =>
  race(async ({ scheme, compete }) => {
    const { id: caseId } = await openCase(scheme, await addBeneficiary(scheme))

    const answers = await Promise.all(
      Array.from({ length: clients }, (_, index) =>
        compete(index, (tx) => draftClaim(tx, { caseId }, linesOf(scheme, 'SG002'), `client-${index}`)).then(
          ({ status }) => status as string,
          refusal,
        ),
      ),
    )

    assert.deepEqual(tally(answers), { draft: 1, IM608: clients - 1 })
  }))

async function wallet({ hospital }: Scheme): Promise<unknown> {
  const [row] = await asAdmin(hospital, (tx) =>
    tx.query(
      `select
         (select sum(wallet_hold) from insurance.insurance_claims where tenant_id = $1) as held,
         (select sum(wallet_blocked) from insurance.pmjay_cases where tenant_id = $1) as blocked,
         (select count(*)::int from insurance.insurance_claims where tenant_id = $1 and status = 'submitted') as submitted`,
      [hospital.tenant],
    ),
  )
  return row
}
