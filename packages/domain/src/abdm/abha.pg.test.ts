import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import {
  AbhaOfOtherPatientError,
  DemographicsMismatchError,
  IdempotencyKeyReusedError,
  IllegalTransitionError,
  NotFoundError,
  NotPermittedError,
  PatientHasOtherAbhaError,
  ReasonRequiredError,
  TokenOrOtpExpiredError,
  TooManyAttemptsError,
} from '@imhotep/postgres'
import { addPatient, withHospital, type Hospital } from '../hospital.fixture.ts'
import {
  accountOf,
  asSuperuser,
  linkedContexts,
  linkedPatient,
  registerFacility,
  verifiedAccount,
} from './abdm.fixture.ts'
import { linkAbha, recordAbhaStatus, unlinkAbha } from './link-abha.ts'
import {
  expireRegistrations,
  failRegistration,
  normaliseAbhaNumber,
  recordAbhaAddress,
  recordEnrolment,
  recordOtpResult,
  recordOtpSent,
  startRegistration,
  type StartRegistrationInput,
} from './register-abha.ts'

test('an ABHA is created with consent, wrong and right OTP, address and link, and each step twice is one step', () =>
  withHospital(async (hospital) => {
    const { run, clinicId } = hospital
    const patientId = await addPatient(hospital, 'Meera Nair')
    const consentId = await giveConsent(hospital, patientId)
    const input: StartRegistrationInput = {
      requestId: randomUUID(),
      purpose: 'create',
      method: 'aadhaar_otp',
      clinicId,
      patientId,
      consentId,
    }
    const txnId = randomUUID()
    const account = accountOf('Nair Mira')

    const started = await run((tx) => startRegistration(tx, input))
    const again = await run((tx) => startRegistration(tx, input))
    await run((tx) => recordOtpSent(tx, started.id, txnId))
    const wrong = await run((tx) => recordOtpResult(tx, { registrationId: started.id, isRight: false }))
    await run((tx) => recordOtpResult(tx, { registrationId: started.id, isRight: true, mobileVerified: true }))
    const enrolled = await run((tx) => recordEnrolment(tx, started.id, account))
    const enrolledAgain = await run((tx) => recordEnrolment(tx, started.id, account))
    await run((tx) => recordAbhaAddress(tx, started.id, 'Meera.Nair@SBX'))
    const link = { patientId, accountId: enrolled.id, registrationId: started.id }
    const linked = await run((tx) => linkAbha(tx, link))
    const linkedAgain = await run((tx) => linkAbha(tx, link))

    assert.equal(again.id, started.id)
    assert.deepEqual([wrong.status, wrong.otpAttempts], ['otp_sent', 1])
    assert.equal(enrolledAgain.id, enrolled.id)
    assert.deepEqual([linked.status, linked.abhaAddress, linked.mismatches], ['linked', 'meera.nair@sbx', []])
    assert.deepEqual(linkedAgain, linked)
    assert.deepEqual(
      await asSuperuser(
        hospital,
        'select status, otp_attempts from abdm.abha_registrations where tenant_id = core.current_tenant_id()',
      ),
      [{ status: 'linked', otp_attempts: 2 }],
    )
    assert.deepEqual(
      await asSuperuser(hospital, `select kind, value_last4 from patient.patient_identifiers where patient_id = $1`, [
        patientId,
      ]),
      [{ kind: 'abha_number', value_last4: account.abhaNumberLast4 }],
    )
    assert.deepEqual(
      await asSuperuser(hospital, `select event_type from core.outbox_events where aggregate_id = $1`, [enrolled.id]),
      [{ event_type: 'abha.linked.v1' }],
    )
  }))

test('start_registration: refuses creation without consent, nobody signed in, and a reused request id', () =>
  withHospital(async (hospital) => {
    const { run, clinicId } = hospital
    const patientId = await addPatient(hospital, 'Meera Nair')
    const link = { requestId: randomUUID(), purpose: 'link', method: 'mobile_otp', clinicId, patientId } as const
    await run((tx) => startRegistration(tx, link))

    await assert.rejects(
      run((tx) => startRegistration(tx, { ...link, requestId: randomUUID(), purpose: 'create' })),
      NotPermittedError,
    )
    const denied = await giveConsent(hospital, patientId, 'deny')
    await assert.rejects(
      run((tx) => startRegistration(tx, { ...link, requestId: randomUUID(), purpose: 'create', consentId: denied })),
      NotPermittedError,
    )
    await assert.rejects(
      run((tx) => startRegistration(tx, { ...link, requestId: randomUUID() }), { user: null }),
      NotPermittedError,
    )
    await assert.rejects(
      run((tx) => startRegistration(tx, { ...link, method: 'scan_share' })),
      IdempotencyKeyReusedError,
    )
    await assert.rejects(
      run((tx) => startRegistration(tx, { ...link, requestId: randomUUID(), patientId: randomUUID() })),
      NotFoundError,
    )
  }))

test('start_registration: a consent under a merged record counts, until a later denial under any of them', () =>
  withHospital(async (hospital) => {
    const { run, clinicId, users } = hospital
    const patientId = await addPatient(hospital, 'Meera Nair')
    const duplicate = await addPatient(hospital, 'Meena Nayyar', '1980-03-03')
    const consentId = await giveConsent(hospital, duplicate)
    const start = () =>
      run((tx) =>
        startRegistration(tx, {
          requestId: randomUUID(),
          purpose: 'create',
          method: 'mobile_otp',
          clinicId,
          patientId,
          consentId,
        }),
      )
    await assert.rejects(start(), NotPermittedError)

    await run((tx) =>
      tx.query(`select patient.propose_merge($1, $2, 'same person', 0.9, '{name}')`, [patientId, duplicate]),
    )
    await run((tx) => tx.query('select patient.merge($1, $2)', [patientId, duplicate]), { user: users[1] })
    assert.equal((await start()).patientId, patientId)
    await giveConsent(hospital, duplicate, 'deny')
    await assert.rejects(start(), NotPermittedError)
  }))

test('a registration ends after three wrong OTPs, by failure, or when it is too old', () =>
  withHospital(async (hospital) => {
    const { run, clinicId } = hospital
    const start = () =>
      run(async (tx) => {
        const input = { requestId: randomUUID(), purpose: 'verify', method: 'mobile_otp', clinicId } as const
        const { id } = await startRegistration(tx, input)
        await recordOtpSent(tx, id, randomUUID())
        return id
      })
    const [guessed, refused, old] = [await start(), await start(), await start()]
    const wrong = (registrationId: string) =>
      run((tx) => recordOtpResult(tx, { registrationId, isRight: false, errorCode: 'ABDM-1204' }))

    await assert.rejects(
      run((tx) => recordEnrolment(tx, guessed, accountOf('Asha'))),
      IllegalTransitionError,
    )
    const states = [await wrong(guessed), await wrong(guessed), await wrong(guessed)]
    const failed = await run((tx) => failRegistration(tx, refused, 'ABDM-1114', 'number 2341 2341 2346 is unknown'))
    await asSuperuser(
      hospital,
      `update abdm.abha_registrations set started_at = now() - interval '1 hour' where id = $1`,
      [old],
    )
    await assert.rejects(wrong(old), TokenOrOtpExpiredError)
    const expired = await run((tx) => expireRegistrations(tx))

    assert.deepEqual(
      states.map(({ status, otpAttempts }) => `${status} ${otpAttempts}`),
      ['otp_sent 1', 'otp_sent 2', 'failed 3'],
    )
    await assert.rejects(wrong(guessed), TooManyAttemptsError)
    assert.equal(failed.status, 'failed')
    assert.deepEqual(
      await asSuperuser(hospital, `select error_message from abdm.abha_registrations where id = $1`, [refused]),
      [{ error_message: 'left out: it repeated an identity number' }],
    )
    assert.equal(expired, 1)
    await assert.rejects(wrong(old), TokenOrOtpExpiredError)
  }))

test('normalise_abha_number: 14 digits with or without hyphens; 13, 15 and letters are refused, a check digit never', () =>
  withHospital(async ({ run }) => {
    const normalise = (number: string) => run((tx) => normaliseAbhaNumber(tx, number))

    assert.equal(await normalise('43-4221-5105-6749'), '43422151056749')
    assert.equal(await normalise('91123412341234'), '91123412341234')
    for (const wrong of ['9112341234123', '911234123412345', '43-4221-5105-674a', '434221-5105-6749'])
      await assert.rejects(normalise(wrong), { sqlstate: '22023' })
  }))

test('link_abha: one patient an ABHA and one ABHA a patient, until it is unlinked for a reason', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const { patientId, account } = await linkedPatient(hospital, 'Meera Nair')
    const twin = await addPatient(hospital, 'Meera Nayyar', '1980-02-02')
    const second = await verifiedAccount(hospital, 'Meera Nair')

    await assert.rejects(
      run((tx) => linkAbha(tx, { patientId: twin, accountId: account.id })),
      AbhaOfOtherPatientError,
    )
    await assert.rejects(
      run((tx) => linkAbha(tx, { patientId, accountId: second.id })),
      PatientHasOtherAbhaError,
    )
    await assert.rejects(
      run((tx) => unlinkAbha(tx, account.id, ' ')),
      ReasonRequiredError,
    )
    await run((tx) => unlinkAbha(tx, account.id, 'linked by mistake'))
    const again = await run((tx) => unlinkAbha(tx, account.id, 'asked twice'))
    const moved = await run((tx) =>
      linkAbha(tx, { patientId: twin, accountId: account.id, overrideReason: 'seen with the card' }),
    )

    assert.equal(again.status, 'unlinked')
    assert.deepEqual([moved.status, moved.patientId], ['linked', twin])
    await assert.rejects(
      run((tx) => linkAbha(tx, { patientId, accountId: randomUUID() })),
      NotFoundError,
    )
  }))

test('link_abha: name, sex and year of birth must match, or somebody says why it is the same person', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const patientId = await addPatient(hospital, 'Mohammed Farooqui')
    const other = await verifiedAccount(hospital, 'Suresh Reddy', { birthYear: 1975 })
    const same = await verifiedAccount(hospital, 'FAROOQI Muhammad', { sex: 'male' })

    await assert.rejects(
      run((tx) => linkAbha(tx, { patientId, accountId: other.id })),
      (error: unknown) => error instanceof DemographicsMismatchError && /name, birth_year/.test(error.message),
    )
    const overridden = await run((tx) =>
      linkAbha(tx, { patientId, accountId: other.id, overrideReason: 'name changed by deed' }),
    )
    await run((tx) => unlinkAbha(tx, other.id, 'test'))
    const matched = await run((tx) => linkAbha(tx, { patientId, accountId: same.id }))

    assert.deepEqual(overridden.mismatches, ['name', 'birth_year'])
    assert.deepEqual(matched.mismatches, [])
  }))

test('record_abha_status: a deactivated ABHA stays the patient’s and links nothing, a deleted one is unlinked', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await registerFacility(hospital)
    const { patientId, account } = await linkedPatient(hospital, 'Meera Nair')
    await linkedContexts(hospital, patientId, ['Prescription'])
    const abhaAddress = account.abhaAddress ?? ''
    const second = await verifiedAccount(hospital, 'Meera Nair')
    const notify = (networkStatus: 'ACTIVE' | 'DEACTIVATED' | 'DELETED') =>
      run((tx) => recordAbhaStatus(tx, { networkStatus, abhaAddress }))

    const deactivated = await notify('DEACTIVATED')
    await assert.rejects(
      run((tx) => linkAbha(tx, { patientId, accountId: account.id })),
      NotPermittedError,
    )
    await assert.rejects(
      run((tx) => linkAbha(tx, { patientId, accountId: second.id })),
      PatientHasOtherAbhaError,
    )
    const active = await notify('ACTIVE')
    const deleted = await notify('DELETED')

    assert.deepEqual([deactivated.status, active.status, deleted.status], ['deactivated', 'linked', 'unlinked'])
    assert.deepEqual(
      await asSuperuser(hospital, 'select status from abdm.care_contexts where tenant_id = core.current_tenant_id()'),
      [{ status: 'unlinked' }],
    )
    await assert.rejects(
      run((tx) => recordAbhaStatus(tx, { networkStatus: 'ACTIVE', abhaAddress: 'nobody@sbx' })),
      NotFoundError,
    )
  }))

test('a merge takes the ABHA along, gives it back when it is undone, and is refused when both patients have one', () =>
  withHospital(async (hospital) => {
    const { run, users } = hospital
    const survivor = await addPatient(hospital, 'Meera Nair')
    const { patientId: duplicate, account } = await linkedPatient(hospital, 'Meena Nayyar', '1980-03-03')
    const { patientId: third } = await linkedPatient(hospital, 'Suresh Reddy')
    const merge = async (from: string, into: string) => {
      await run((tx) => tx.query(`select patient.propose_merge($1, $2, 'same person', 0.9, '{name}')`, [into, from]))
      await run((tx) => tx.query('select patient.merge($1, $2, $3) as id', [into, from, users[1]]), { user: users[1] })
    }
    const owner = async () =>
      (
        await asSuperuser<{ patient_id: string }>(hospital, 'select patient_id from abdm.abha_accounts where id = $1', [
          account.id,
        ])
      )[0]?.patient_id

    await merge(duplicate, survivor)
    const merged = await owner()
    await assert.rejects(merge(third, survivor), { sqlstate: 'IM213' })
    const [row] = await asSuperuser<{ id: string }>(
      hospital,
      `select id from patient.patient_merges where tenant_id = core.current_tenant_id() and status = 'merged'`,
    )
    await run((tx) => tx.query(`select patient.unmerge($1, 'not the same')`, [row?.id]))

    assert.equal(merged, survivor)
    assert.equal(await owner(), duplicate)
  }))

test('an ABHA that went along with two merges comes back step by step', () =>
  withHospital(async (hospital) => {
    const { run, users } = hospital
    const survivor = await addPatient(hospital, 'Meera Nair')
    const middle = await addPatient(hospital, 'Suresh Reddy')
    const { patientId: first, account } = await linkedPatient(hospital, 'Meena Nayyar', '1980-03-03')
    const merge = async (from: string, into: string) => {
      await run((tx) => tx.query(`select patient.propose_merge($1, $2, 'same person', 0.9, '{name}')`, [into, from]))
      const [row] = await run(
        (tx) => tx.query<{ id: string }>('select patient.merge($1, $2, $3) as id', [into, from, users[1]]),
        { user: users[1] },
      )
      return row?.id
    }
    const unmerge = (id: string | undefined) =>
      run((tx) => tx.query(`select patient.unmerge($1, 'not the same')`, [id]))
    const owners: unknown[] = []
    const note = async () => {
      const [row] = await asSuperuser<{ owner: string }>(
        hospital,
        'select patient_id as owner from abdm.abha_accounts where id = $1',
        [account.id],
      )
      owners.push(row?.owner)
    }

    const inner = await merge(first, middle)
    const outer = await merge(middle, survivor)
    await note()
    await unmerge(outer)
    await note()
    await unmerge(inner)
    await note()

    assert.deepEqual(owners, [survivor, middle, first])
  }))

async function giveConsent(hospital: Hospital, patientId: string, decision = 'permit'): Promise<string> {
  const id = randomUUID()
  await asSuperuser(
    hospital,
    `insert into compliance.consents (tenant_id, id, patient_id, kind, decision, given_by, given_at)
     values ($1, $2, $3, 'abdm', $4, 'patient', now())`,
    [hospital.tenant, id, patientId, decision],
  )
  await asSuperuser(hospital, `update compliance.consents set status = 'active' where id = $1`, [id])
  return id
}
