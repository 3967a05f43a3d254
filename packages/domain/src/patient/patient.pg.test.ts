import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DuplicateIdentifierError, InvalidValueError, NotFoundError, NotPermittedError } from '@imhotep/postgres'
import { addPatient, digest, withHospital } from '../hospital.fixture.ts'
import { calculateBmi } from './calculate-bmi.ts'
import { findDuplicates } from './find-duplicates.ts'
import { dismissMerge, mergePatients, proposeMerge, unmergePatients } from './merge.ts'
import { addIdentifier, registerPatient } from './register.ts'
import { searchPatients } from './search.ts'

test('registerPatient: a likely duplicate is shown and not written, unless it is forced with a reason', () =>
  withHospital(async ({ run, clinicId }) => {
    const demographics = {
      givenName: 'Asha',
      familyName: 'Rao',
      sex: 'female',
      birthDate: '1984-02-29',
      mobileEnc: Buffer.from([1, 2]),
      mobileBidx: digest('9000000000'),
      dataKeyKid: 'key-1',
      registeredClinicId: clinicId,
    } as const

    const first = await run((tx) => registerPatient(tx, { demographics, key: 'registration-1' }))
    const repeated = await run((tx) => registerPatient(tx, { demographics, key: 'registration-1' }))
    const twin = await run((tx) => registerPatient(tx, { demographics }))
    const forced = await run((tx) => registerPatient(tx, { demographics, forceReason: 'twin sister' }))

    assert.deepEqual([first.outcome, first.mrn, first.failureCode], ['registered', 'MRN000001', null])
    assert.deepEqual(repeated, first)
    assert.deepEqual([twin.outcome, twin.failureCode, twin.patientId], ['likely_duplicate', 'IM211', null])
    assert.deepEqual(
      twin.candidates.map((candidate) => candidate.patientId),
      [first.patientId],
    )
    assert.deepEqual([forced.outcome, forced.mrn], ['registered', 'MRN000002'])
    const found = await run((tx) => findDuplicates(tx, { name: 'Asha Rao', birthDate: '1984-02-29' }))
    assert.deepEqual(new Set(found.map(({ patientId }) => patientId)), new Set([first.patientId, forced.patientId]))
    const clinic = { ...demographics, registeredClinicId: first.patientId ?? '' }
    await assert.rejects(
      run((tx) => registerPatient(tx, { demographics: clinic })),
      NotFoundError,
    )
  }))

test('addIdentifier: one identifier belongs to one patient', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const [asha, bala] = [await addPatient(hospital, 'Asha'), await addPatient(hospital, 'Balakrishnan', '1950-06-01')]
    const identifier = {
      kind: 'abha_number',
      systemUri: 'https://healthid.ndhm.gov.in',
      valueEnc: Buffer.from([1]),
      valueBidx: digest('91-0000-0000-0000'),
      valueLast4: '0000',
    }

    const id = await run((tx) => addIdentifier(tx, asha, identifier))
    const again = await run((tx) => addIdentifier(tx, asha, identifier))

    assert.equal(again, id)
    await assert.rejects(
      run((tx) => addIdentifier(tx, bala, identifier)),
      DuplicateIdentifierError,
    )
  }))

test('mergePatients: one user proposes, another approves, and it can be taken back', () =>
  withHospital(async (hospital) => {
    const { run, users } = hospital
    const [survivorId, duplicateId] = [
      await addPatient(hospital, 'Asha'),
      await addPatient(hospital, 'Usha', '1981-01-01'),
    ]
    const statusOf = async (id: string) =>
      (await run((tx) => tx.query<{ status: string }>('select status from patient.patients where id = $1', [id])))[0]
        ?.status

    const proposal = await run((tx) => proposeMerge(tx, { survivorId, duplicateId, reason: 'same person' }))
    await assert.rejects(
      run((tx) => mergePatients(tx, survivorId, duplicateId)),
      NotPermittedError,
    )
    const merge = await run((tx) => mergePatients(tx, survivorId, duplicateId), { user: users[1] })
    const merged = await statusOf(duplicateId)
    const restored = await run((tx) => unmergePatients(tx, merge, 'different people'), { user: users[1] })

    assert.deepEqual(
      [merge, merged, restored, await statusOf(duplicateId)],
      [proposal, 'merged', duplicateId, 'active'],
    )
    const second = await run((tx) => proposeMerge(tx, { survivorId, duplicateId, reason: 'once more' }))
    await run((tx) => dismissMerge(tx, second, 'twins'), { user: users[1] })
  }))

test('calculateBmi: kilograms over square metres, to one decimal', () =>
  withHospital(async ({ run }) => {
    const bmi = await run((tx) => calculateBmi(tx, 70, 175))

    assert.equal(bmi, 22.9)
  }))

test('searchPatients: finds any part of a name, follows a change of name, and leaves merged records out', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const asha = await addPatient(hospital, 'Asha-Lakshmi Rao')
    const other = await addPatient(hospital, 'Balakrishnan', '1950-06-01')
    const names = async (text: string) =>
      (await run((tx) => searchPatients(tx, text))).map(({ patientId }) => patientId)

    assert.deepEqual(await names('SHA lak'), [asha])
    assert.deepEqual(await names('krish'), [other])
    assert.deepEqual(await names('%_krish'), [other])
    assert.deepEqual(await names('krishnam'), [])
    await run((tx) => tx.query(`update patient.patients set given_name = 'Gopalkrishnam' where id = $1`, [other]))
    assert.deepEqual(await names('krishnam'), [other])
    assert.deepEqual(await names('balak'), [])
    await run((tx) => tx.query('update patient.patients set given_name = given_name where id = $1', [other]))
    assert.deepEqual(await names('krishnam'), [other])
    await assert.rejects(names('kr'), InvalidValueError)
    await run((tx) => proposeMerge(tx, { survivorId: asha, duplicateId: other, reason: 'same person' }))
    await run((tx) => mergePatients(tx, asha, other), { user: hospital.users[1] })
    assert.deepEqual(await names('krishnam'), [])
  }))

test('patients: an application merges by the operation alone', () =>
  withHospital(async (hospital) => {
    const [asha, usha] = [await addPatient(hospital, 'Asha'), await addPatient(hospital, 'Usha', '1981-01-01')]
    const change = (set: string) =>
      hospital.run(async (tx) => {
        await tx.query('select core.set_reason($1)', ['test'])
        await tx.query(`update patient.patients set ${set} where id = $1`, [usha])
      })

    await assert.rejects(change(`status = 'merged', merged_into_id = '${asha}'`), { sqlstate: '42501' })
    await assert.rejects(change(`status = 'merged'`), { sqlstate: '23514' })
    await assert.doesNotReject(change(`status = 'deceased', deceased_at = now()`))
  }))
