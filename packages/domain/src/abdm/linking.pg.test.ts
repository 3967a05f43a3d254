import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import {
  AbhaOfOtherPatientError,
  AlreadyLinkedError,
  IdempotencyKeyReusedError,
  NotFoundError,
  NotPermittedError,
  ReasonRequiredError,
  TokenOrOtpExpiredError,
  TooManyAttemptsError,
} from '@imhotep/postgres'
import { addPatient, digest, withHospital, type Hospital } from '../hospital.fixture.ts'
import { registerPatient } from '../patient/register.ts'
import {
  asSuperuser,
  giveLinkToken,
  hipId,
  linkedPatient,
  newContext,
  otpHash,
  registerFacility,
  verifiedAccount,
} from './abdm.fixture.ts'
import { addCareContext, markContextsNotified, unlinkCareContext } from './care-context.ts'
import { linkAbha, recordAbhaStatus } from './link-abha.ts'
import {
  confirmLink,
  discoverPatient,
  expireLinking,
  initLink,
  linkCareContexts,
  recordLinkResult,
  requestLinkToken,
  type PatientDiscovery,
} from './linking.ts'

test('add_care_context: one context a row and HI type, with a display that says kind and date and nothing else', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const patientId = await addPatient(hospital, 'Meera Nair')
    const input = {
      patientId,
      hiType: 'DischargeSummary',
      sourceType: 'clinical.discharge_summaries',
      sourceId: randomUUID(),
      recordDate: '2026-03-05',
    }

    await assert.rejects(
      run((tx) => addCareContext(tx, input)),
      NotFoundError,
    )
    await registerFacility(hospital)
    const context = await run((tx) => addCareContext(tx, input))
    const again = await run((tx) => addCareContext(tx, input))

    assert.deepEqual(again, context)
    assert.deepEqual(
      [context.display, context.hipId, context.patientReference, context.reference, context.status],
      ['Discharge summary, 05 Mar 2026', hipId, patientId, context.id, 'pending'],
    )
    await assert.rejects(
      run((tx) => addCareContext(tx, { ...input, hiType: 'Horoscope' })),
      { sqlstate: '23514' },
    )
    await assert.rejects(
      run((tx) => addCareContext(tx, { ...input, patientId: randomUUID() })),
      NotFoundError,
    )
  }))

test('link_care_contexts: needs a valid token and an active ABHA, links all or none, and not what is linked', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await registerFacility(hospital)
    const { patientId, account } = await linkedPatient(hospital, 'Meera Nair')
    const stranger = await addPatient(hospital, 'Suresh Reddy', '1950-01-01')
    const contexts = [await newContext(hospital, patientId), await newContext(hospital, patientId, 'Invoice')]
    const contextIds = contexts.map(({ id }) => id)
    const foreign = await newContext(hospital, stranger)
    const requestId = randomUUID()
    const link = (ids: readonly string[], id: string = randomUUID()) =>
      run((tx) => linkCareContexts(tx, { requestId: id, patientId, contextIds: ids }))

    await assert.rejects(link(contextIds), TokenOrOtpExpiredError)
    await assert.rejects(
      run((tx) => requestLinkToken(tx, { requestId: randomUUID(), patientId: stranger })),
      NotFoundError,
    )
    await giveLinkToken(hospital, patientId)
    await assert.rejects(link([...contextIds, foreign.id]), NotFoundError)
    const asked = await link(contextIds, requestId)
    const again = await link(contextIds, requestId)
    await assert.rejects(link([foreign.id], requestId), IdempotencyKeyReusedError)
    await assert.rejects(link(contextIds), AlreadyLinkedError)
    const answered = await run((tx) => recordLinkResult(tx, requestId))
    const late = await run((tx) => recordLinkResult(tx, requestId, 'ABDM-1056'))
    const notified = [
      await run((tx) => markContextsNotified(tx, contextIds)),
      await run((tx) => markContextsNotified(tx, contextIds)),
    ]

    assert.deepEqual(again, asked)
    assert.deepEqual([answered.status, late.status], ['confirmed', 'confirmed'])
    assert.deepEqual(notified, [2, 0])
    assert.deepEqual(
      await asSuperuser(
        hospital,
        `select count(*)::int as events from core.outbox_events where tenant_id = core.current_tenant_id() and event_type = 'care_context.linked.v1'`,
      ),
      [{ events: 2 }],
    )
    const next = await newContext(hospital, patientId, 'WellnessRecord')
    await run((tx) => recordAbhaStatus(tx, { networkStatus: 'DEACTIVATED', abhaAddress: account.abhaAddress ?? '' }))
    await assert.rejects(link([next.id]), NotPermittedError)
  }))

test('record_link_result: a refused link can be asked for again; a context is taken back for a reason, or for good', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await registerFacility(hospital)
    const { patientId } = await linkedPatient(hospital, 'Meera Nair')
    await giveLinkToken(hospital, patientId)
    const context = await newContext(hospital, patientId)
    const [first, second] = [randomUUID(), randomUUID()]
    const link = (requestId: string) =>
      run((tx) => linkCareContexts(tx, { requestId, patientId, contextIds: [context.id] }))
    const unlink = (withdraw = false) =>
      run((tx) => unlinkCareContext(tx, { contextId: context.id, reason: 'asked for', withdraw }))

    await link(first)
    const refused = await run((tx) => recordLinkResult(tx, first, 'ABDM-1056'))
    await link(second)
    await run((tx) => recordLinkResult(tx, second))
    await assert.rejects(
      run((tx) => unlinkCareContext(tx, { contextId: context.id, reason: '' })),
      ReasonRequiredError,
    )
    const states = [await unlink(), await unlink(), await unlink(true), await unlink(true)].map(({ status }) => status)

    assert.deepEqual([refused.status, refused.errorCode], ['failed', 'ABDM-1056'])
    assert.deepEqual(states, ['unlinked', 'unlinked', 'withdrawn', 'withdrawn'])
    await assert.rejects(link(randomUUID()), { sqlstate: 'IM001' })
  }))

test('discover_patient: tells exactly one patient or nobody, and an MR number alone finds nobody', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await registerFacility(hospital)
    const mobile = digest('+911234567890')
    const mother = await patientOf(hospital, { givenName: 'Lakshmi', familyName: 'Iyer', mobile })
    const son = await patientOf(hospital, { givenName: 'Arjun', familyName: 'Iyer', mobile })
    const { patientId: known, account } = await linkedPatient(hospital, 'Suresh Reddy')
    const offered = await newContext(hospital, son.patientId)
    const discover = (query: Partial<PatientDiscovery>) => run((tx) => discoverPatient(tx, randomUUID(), seek(query)))

    const byMobile = await discover({ mobileBidx: mobile, name: 'Arjun Iyer' })
    const familyName = await discover({ mobileBidx: mobile, name: 'Iyer' })
    const withMrn = await discover({ mobileBidx: mobile, name: 'Iyer', mrn: mother.mrn })
    const wrongYear = await discover({ mobileBidx: mobile, name: 'Arjun Iyer', birthYear: 1999 })
    const mrnAlone = await discover({ name: 'Arjun Iyer', mrn: son.mrn })
    const byAddress = await discover({ abhaAddress: account.abhaAddress ?? '', name: 'anything' })
    const number = digest('91123412341234')
    const other = await verifiedAccount(hospital, 'Lakshmi Iyer', { abhaNumberBidx: number })
    await run((tx) => linkAbha(tx, { patientId: mother.patientId, accountId: other.id }))
    const torn = await discover({ abhaAddress: account.abhaAddress ?? '', abhaNumberBidx: number })

    assert.deepEqual(
      [byMobile.status, byMobile.patientId, byMobile.matchedBy, byMobile.contextIds],
      ['matched', son.patientId, ['MOBILE'], [offered.id]],
    )
    assert.deepEqual([familyName.status, familyName.patientId], ['not_found', null])
    assert.deepEqual([withMrn.patientId, withMrn.matchedBy], [mother.patientId, ['MOBILE', 'MR']])
    assert.deepEqual([wrongYear.status, mrnAlone.status], ['not_found', 'not_found'])
    assert.deepEqual([byAddress.patientId, byAddress.matchedBy], [known, ['abhaAddress']])
    assert.deepEqual([torn.status, torn.patientId], ['not_found', null])
  }))

test('init_link and confirm_link: the right OTP links contexts and address, three wrong ones or time end it', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await registerFacility(hospital)
    const mobile = digest('+911234567890')
    const { patientId } = await patientOf(hospital, { givenName: 'Arjun', familyName: 'Iyer', mobile })
    const context = await newContext(hospital, patientId)
    const hidden = await newContext(hospital, await addPatient(hospital, 'Suresh Reddy', '1950-01-01'))
    const transactionId = randomUUID()
    await run((tx) =>
      discoverPatient(tx, randomUUID(), seek({ transactionId, mobileBidx: mobile, name: 'Arjun Iyer' })),
    )
    const init = (linkRefNumber: string, references = [context.reference]) =>
      run((tx) =>
        initLink(tx, {
          requestId: randomUUID(),
          transactionId,
          references,
          linkRefNumber,
          otpHash: otpHash(linkRefNumber, '123456'),
        }),
      )
    const confirm = (linkRefNumber: string, otp: string) =>
      run((tx) => confirmLink(tx, linkRefNumber, otpHash(linkRefNumber, otp)))

    await assert.rejects(init('hidden', [hidden.reference]), NotFoundError)
    await init('guessed')
    const guesses = [await confirm('guessed', '1'), await confirm('guessed', '2'), await confirm('guessed', '3')]
    await assert.rejects(confirm('guessed', '123456'), TooManyAttemptsError)

    await init('late')
    await asSuperuser(
      hospital,
      `update abdm.linking_transactions set otp_expires_at = now() - interval '1 second' where tenant_id = core.current_tenant_id() and link_ref_number = 'late'`,
    )
    await assert.rejects(confirm('late', '123456'), TokenOrOtpExpiredError)
    assert.equal(await run((tx) => expireLinking(tx)), 1)

    await init('right')
    const wrong = await confirm('right', '1')
    const confirmed = await confirm('right', '123456')
    const again = await confirm('right', '123456')

    assert.deepEqual(
      guesses.map(({ status, otpAttempts }) => `${status} ${otpAttempts}`),
      ['otp_sent 1', 'otp_sent 2', 'failed 3'],
    )
    assert.deepEqual([wrong.status, confirmed.status], ['otp_sent', 'confirmed'])
    assert.deepEqual(again, confirmed)
    assert.deepEqual(
      await asSuperuser(
        hospital,
        `select c.status, a.abha_address, a.patient_id = $1 as own
         from abdm.care_contexts c join abdm.abha_accounts a on a.id = c.abha_account_id where c.tenant_id = core.current_tenant_id()`,
        [patientId],
      ),
      [{ status: 'linked', abha_address: 'seeker@sbx', own: true }],
    )
    assert.deepEqual(
      await asSuperuser(
        hospital,
        'select distinct otp_hash from abdm.linking_transactions where tenant_id = core.current_tenant_id()',
      ),
      [{ otp_hash: null }],
    )
    await assert.rejects(init('once more'), AlreadyLinkedError)
  }))

test('confirm_link: an ABHA address that is another patient’s is not linked to this one', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await registerFacility(hospital)
    const { account } = await linkedPatient(hospital, 'Suresh Reddy')
    const mobile = digest('+911234567890')
    const { patientId } = await patientOf(hospital, { givenName: 'Arjun', familyName: 'Iyer', mobile })
    const context = await newContext(hospital, patientId)
    const transactionId = randomUUID()
    const hash = otpHash('ref', '123456')
    await run((tx) =>
      discoverPatient(tx, randomUUID(), seek({ transactionId, mobileBidx: mobile, name: 'Arjun Iyer' })),
    )
    const input = { transactionId, references: [context.reference], linkRefNumber: 'ref', otpHash: hash }
    await run((tx) => initLink(tx, { requestId: randomUUID(), ...input }))
    await asSuperuser(
      hospital,
      `update abdm.linking_transactions set abha_address = $1 where tenant_id = core.current_tenant_id() and link_ref_number = 'ref'`,
      [account.abhaAddress],
    )

    await assert.rejects(
      run((tx) => confirmLink(tx, 'ref', hash)),
      AbhaOfOtherPatientError,
    )
  }))

function seek(query: Partial<PatientDiscovery>): PatientDiscovery {
  return {
    transactionId: randomUUID(),
    hipId,
    abhaAddress: 'seeker@sbx',
    name: '',
    sex: 'unknown',
    birthYear: 1980,
    ...query,
  }
}

interface Person {
  readonly givenName: string
  readonly familyName: string
  readonly mobile: Buffer
}

async function patientOf(hospital: Hospital, { givenName, familyName, mobile }: Person) {
  const demographics = {
    givenName,
    familyName,
    birthDate: '1980-01-01',
    registeredClinicId: hospital.clinicId,
    mobileEnc: Buffer.from('ciphertext'),
    mobileBidx: mobile,
    dataKeyKid: 'test',
  }
  const { patientId, mrn } = await hospital.run((tx) =>
    registerPatient(tx, { demographics, forceReason: 'a family shares its mobile' }),
  )
  if (patientId === null || mrn === null) throw new Error('not registered')
  return { patientId, mrn }
}
