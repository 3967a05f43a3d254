import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import {
  CrossmatchError,
  DonationIncompleteError,
  DonorNotEligibleError,
  GroupUnconfirmedError,
  IdempotencyKeyReusedError,
  IllegalTransitionError,
  LikelyDuplicateError,
  NotFoundError,
  NotPermittedError,
  ReasonRequiredError,
  RequestTakesNoMoreError,
  ReturnRefusedError,
  SamePersonError,
  SecondCheckerError,
  UnitAlreadyIssuedError,
  UnitExpiredError,
  UnitIncompatibleError,
} from '@imhotep/postgres'
import { contextOf, moveToAnotherDay } from '../../../../tests/support/tenants.ts'
import { withdrawConsent } from '../compliance/consents.ts'
import {
  addDonation,
  addDonor,
  addRecipient,
  addRequest,
  addSample,
  addUnit,
  at,
  healthy,
  openBloodBank,
  testDonation,
  type BloodBank,
  type Recipient,
} from './blood-bank.fixture.ts'
import { findCompatibleUnits, freeUnit, recordCrossmatch, reserveUnit } from './crossmatch.ts'
import { enterTest, invalidateTest, verifyTest } from './donation-tests.ts'
import { finishCollection, screenDonor, startCollection } from './donations.ts'
import { deferDonor, registerDonor } from './donors.ts'
import { issueUnit, returnUnit } from './issue.ts'
import { confirmPatientGroup, recordPatientGroup, resolveDiscrepancy } from './patient-groups.ts'
import { closeReaction, concludeReaction, investigateReaction, reportReaction } from './reactions.ts'
import {
  acceptRequest,
  cancelRequest,
  closeRequest,
  orderEmergencyRelease,
  rejectRequest,
  requestBlood,
} from './requests.ts'
import type { BloodIssue, BloodRequest, BloodUnit } from './rows-of-units.ts'
import { completeTransfusion, startTransfusion, stopTransfusion } from './transfusion.ts'
import { discardUnit, expireUnits, freeLapsedUnits, lookBack, prepareUnit, releaseDonation } from './units.ts'

let bank: BloodBank
let run: BloodBank['run']
let staff: BloodBank['staff']

before(async () => {
  bank = await openBloodBank()
  ;({ run, staff } = bank)
})
after(() => bank.close())

test('registerDonor: the same mobile number and birth date is the same donor, under another name it is refused', async () => {
  const input = {
    name: 'Meera',
    sex: 'female',
    birthDate: '1990-05-01',
    mobileEnc: Buffer.from([1]),
    mobileBidx: Buffer.from('meera'),
  } as const

  const donor = await run((tx) => registerDonor(tx, input))
  const again = await run((tx) => registerDonor(tx, { ...input, name: ' meera' }))

  assert.match(donor.donorNumber, /^DNR-\d\d-\d{6}$/)
  assert.deepEqual(again, donor)
  await assert.rejects(
    run((tx) => registerDonor(tx, { ...input, name: 'Her twin' })),
    LikelyDuplicateError,
  )
})

test('screenDonor: a measurement outside the limits defers the donor, and the next screening is refused', async () => {
  const donorId = await addDonor(bank)
  const input = { ...healthy, donorId, screenedBy: staff[0], haemoglobinGDl: 11.9, key: 'screen-low-hb' }

  const donation = await run((tx) => screenDonor(tx, input))
  const again = await run((tx) => screenDonor(tx, input))

  assert.deepEqual(
    [donation.status, donation.deferralReason, donation.eligible],
    ['deferred', 'low_haemoglobin', false],
  )
  assert.deepEqual(again, donation)
  await assert.rejects(
    run((tx) => screenDonor(tx, { ...input, haemoglobinGDl: 14, key: 'screen-again' })),
    DonorNotEligibleError,
  )
  await assert.rejects(
    run((tx) => screenDonor(tx, { ...input, haemoglobinGDl: 14 })),
    IdempotencyKeyReusedError,
  )
})

test('screenDonor: is refused at once to who gave too recently, is too young, or is deferred for ever', async () => {
  const recent = await addDonor(bank)
  await addDonation(bank, recent)
  const old = await addDonor(bank, '1955-01-01')
  const deferred = await addDonor(bank)
  const kind = 'permanent' as const
  const once = await run((tx) => deferDonor(tx, { donorId: deferred, reasonCode: 'hiv', kind, recordedBy: staff[0] }))
  const twice = await run((tx) => deferDonor(tx, { donorId: deferred, reasonCode: 'hiv', kind, recordedBy: staff[0] }))

  assert.deepEqual(twice, once)
  for (const [donorId, rule] of [
    [recent, /too_soon_after_whole_blood/],
    [old, /too_old/],
    [deferred, /permanently_deferred/],
  ] as const) {
    await assert.rejects(
      run((tx) => screenDonor(tx, { ...healthy, donorId, screenedBy: staff[0] })),
      (error) => error instanceof DonorNotEligibleError && rule.test(error.message),
    )
  }
})

test('a donation: every step answers the same when it is repeated, and it counts once', async () => {
  const donorId = await addDonor(bank)
  const { id } = await run((tx) => screenDonor(tx, { ...healthy, donorId, screenedBy: staff[0] }))
  const start = { donationId: id, din: 'A999926900001', bagLot: 'L', bagType: 'double', phlebotomistId: staff[0] }

  const started = await run((tx) => startCollection(tx, start))
  await run((tx) => startCollection(tx, start))
  await assert.rejects(
    run((tx) => finishCollection(tx, { donationId: id, volumeMl: 500 })),
    DonorNotEligibleError,
  )
  const finished = await run((tx) => finishCollection(tx, { donationId: id, volumeMl: 450 }))
  await run((tx) => finishCollection(tx, { donationId: id, volumeMl: 450 }))
  const [donor] = await run((tx) =>
    tx.query<{ n: number }>('select total_donations as n from blood_bank.donors where id = $1', [donorId]),
  )

  assert.deepEqual([started.status, finished.status, donor?.n], ['collecting', 'collected', 1])
})

test('tests: a second person verifies; an invalid run is done again; the same test has one result', async () => {
  const { id: donationId } = await addDonation(bank)
  const input = {
    donationId,
    test: 'HIV',
    method: 'clia',
    kitLot: 'K',
    kitExpiry: '2099-01-01',
    testedBy: staff[0],
    result: 'non_reactive',
  } as const

  const entered = await run((tx) => enterTest(tx, input))
  const again = await run((tx) => enterTest(tx, input))
  await assert.rejects(
    run((tx) => verifyTest(tx, entered.id, staff[0])),
    SamePersonError,
  )
  await assert.rejects(
    run((tx) => enterTest(tx, { ...input, result: 'reactive' })),
    IdempotencyKeyReusedError,
  )
  await assert.rejects(
    run((tx) => invalidateTest(tx, entered.id, ' ')),
    ReasonRequiredError,
  )
  const invalid = await run((tx) => invalidateTest(tx, entered.id, 'control failed'))
  const repeated = await run((tx) => enterTest(tx, { ...input, repeatNo: 2 }))
  const verified = await run((tx) => verifyTest(tx, repeated.id, staff[1]))

  assert.deepEqual(again, entered)
  assert.deepEqual([invalid.status, verified.status], ['invalid', 'verified'])
  await assert.rejects(
    run((tx) => invalidateTest(tx, repeated.id, 'too late')),
    IllegalTransitionError,
  )
})

test('releaseDonation: needs every test verified, then the units get the group of the tests', async () => {
  const { id: donationId } = await addDonation(bank)
  const unit = await prepare(donationId, 'PRBC_SAGM')
  await assert.rejects(
    run((tx) => releaseDonation(tx, donationId, staff[1])),
    DonationIncompleteError,
  )
  await testDonation(bank, donationId, 'B-')

  const released = await run((tx) => releaseDonation(tx, donationId, staff[1]))
  const again = await run((tx) => releaseDonation(tx, donationId, staff[1]))
  const [row] = await run((tx) =>
    tx.query('select abo, rhd, status from blood_bank.blood_components where id = $1', [unit.id]),
  )

  assert.deepEqual(released, { outcome: 'released', failureCode: null, units: 1, lookBackUnits: 0 })
  assert.deepEqual(again, released)
  assert.deepEqual(row, { abo: 'B', rhd: 'neg', status: 'available' })
  assert.equal(Math.round((unit.expiresAt.getTime() - Date.now()) / 86_400_000), 42)
})

test('releaseDonation: one reactive test discards every unit, defers the donor and lists the earlier units', async () => {
  const donorId = await addDonor(bank)
  const earlier = await addDonation(bank, donorId)
  await testDonation(bank, earlier.id, 'A+')
  const traced = await prepare(earlier.id, 'FFP')
  await run((tx) => releaseDonation(tx, earlier.id, staff[1]))
  await bank.force(
    `update blood_bank.donations set started_at = started_at - interval '1 year', ended_at = ended_at - interval '1 year'
     where id = $1`,
    [earlier.id],
  )
  await bank.force(`update blood_bank.donors set last_whole_blood_on = null where id = $1`, [donorId])
  const { id: donationId } = await addDonation(bank, donorId)
  await prepare(donationId, 'PRBC')
  await prepare(donationId, 'FFP', 'E0700V00')
  await testDonation(bank, donationId, 'A+', ['HCV'])

  const outcome = await run((tx) => releaseDonation(tx, donationId, staff[1]))
  const again = await run((tx) => releaseDonation(tx, donationId, staff[1]))
  const units = await run((tx) =>
    tx.query('select distinct status, discard_reason from blood_bank.blood_components where donation_id = $1', [
      donationId,
    ]),
  )
  const [donor] = await run((tx) => tx.query('select status from blood_bank.donors where id = $1', [donorId]))

  assert.deepEqual(outcome, { outcome: 'discarded', failureCode: 'IM356', units: 2, lookBackUnits: 1 })
  assert.deepEqual(again, outcome)
  assert.deepEqual(units, [{ status: 'discarded', discard_reason: 'reactive' }])
  assert.deepEqual(donor, { status: 'permanently_deferred' })
  assert.deepEqual(
    (await run((tx) => lookBack(tx, donationId))).map(({ componentId }) => componentId),
    [traced.id],
  )
})

test('a donor who is deferred after the donation: it is not released, and discarded with its last unit', async () => {
  const donorId = await addDonor(bank)
  const { id: donationId } = await addDonation(bank, donorId)
  const unit = await prepare(donationId, 'PRBC')
  await testDonation(bank, donationId, 'A+')
  const deferral = { donorId, reasonCode: 'fever', kind: 'temporary', untilOn: '2099-01-01' } as const
  await run((tx) => deferDonor(tx, { ...deferral, recordedBy: staff[0], source: 'post_donation' }))

  await assert.rejects(
    run((tx) => releaseDonation(tx, donationId, staff[1])),
    DonorNotEligibleError,
  )
  await run((tx) => discardUnit(tx, unit.id, 'donor_called_back', staff[1]))
  const outcome = await run((tx) => releaseDonation(tx, donationId, staff[1]))

  assert.deepEqual(outcome, { outcome: 'discarded', failureCode: null, units: 1, lookBackUnits: 0 })
})

test('a patient’s group: two samples and two people confirm it; aliquots of one tube are one sample', async () => {
  const { patientId, encounterId, samples } = await addRecipient(bank)
  const aliquot = await addSample(bank, patientId, encounterId, { parentId: samples[0] })
  const result = { patientId, abo: 'A', rhd: 'pos', testedBy: staff[0] } as const

  const first = await run((tx) => recordPatientGroup(tx, { ...result, sampleId: samples[0] }))
  const again = await run((tx) => recordPatientGroup(tx, { ...result, sampleId: samples[0] }))
  const sameTube = await run((tx) => recordPatientGroup(tx, { ...result, sampleId: aliquot }))
  await assert.rejects(
    run((tx) => confirmPatientGroup(tx, sameTube.id, staff[1])),
    GroupUnconfirmedError,
  )
  const second = await run((tx) => recordPatientGroup(tx, { ...result, sampleId: samples[1] }))
  await assert.rejects(
    run((tx) => confirmPatientGroup(tx, second.id, staff[0])),
    SamePersonError,
  )
  const confirmed = await run((tx) => confirmPatientGroup(tx, second.id, staff[1]))

  assert.deepEqual(again, first)
  assert.deepEqual([first.status, confirmed.status], ['first_sample', 'confirmed'])
})

test('a patient’s group: a sample that disagrees makes all discrepant until a person says which was wrong', async () => {
  const recipient = await addRecipient(bank, 'A+')
  const { patientId, encounterId } = recipient
  const sampleId = await addSample(bank, patientId, encounterId)
  const request = await addRequest(bank, recipient)
  const unit = await addUnit(bank, 'A+')

  const wrong = await run((tx) =>
    recordPatientGroup(tx, { patientId, abo: 'B', rhd: 'pos', testedBy: staff[0], sampleId }),
  )
  await assert.rejects(reserve(unit, request), GroupUnconfirmedError)
  const [right] = await run((tx) =>
    tx.query<{ id: string }>(
      `select id from blood_bank.patient_blood_groups
       where patient_id = $1 and abo = 'A' and status = 'discrepant' order by id`,
      [patientId],
    ),
  )
  const resolved = await run((tx) => resolveDiscrepancy(tx, right?.id ?? '', staff[1], 'wrong blood in tube'))
  await run((tx) => confirmPatientGroup(tx, right?.id ?? '', staff[1]))
  const kept = await reserve(unit, request)

  assert.equal(wrong.status, 'discrepant')
  assert.deepEqual(resolved.map((row) => row.status).toSorted(), ['first_sample', 'first_sample', 'rejected'])
  assert.equal(kept.status, 'reserved')
})

test('a transfusion: crossmatched, issued, checked by two people, given; each step once', async () => {
  const recipient = await addRecipient(bank, 'A+')
  const request = await addRequest(bank, recipient)
  const unit = await addUnit(bank, 'A+')

  const crossmatch = await compatible(unit, request, recipient)
  const issued = await issue(unit, request)
  const again = await issue(unit, request)
  const start = {
    issueId: issued.id,
    patientId: recipient.patientId,
    din: unit.din,
    check1By: staff[3],
    check2By: staff[4],
  }
  await assert.rejects(
    run((tx) => startTransfusion(tx, { ...start, check2By: staff[3] })),
    SecondCheckerError,
  )
  await assert.rejects(
    run((tx) => startTransfusion(tx, { ...start, din: 'A999926999999' })),
    UnitIncompatibleError,
  )
  // a wristband that was not read is no match
  await assert.rejects(
    run((tx) => startTransfusion(tx, { ...start, patientId: null as unknown as string })),
    UnitIncompatibleError,
  )
  const started = await run((tx) => startTransfusion(tx, { ...start, preVitals: { pulse: 80 } }))
  await run((tx) => startTransfusion(tx, start))
  await assert.rejects(
    run((tx) => returnUnit(tx, back(issued))),
    IllegalTransitionError,
  )
  const done = await run((tx) =>
    completeTransfusion(tx, { issueId: issued.id, volumeGivenMl: 280, recordedBy: staff[3] }),
  )
  await run((tx) => completeTransfusion(tx, { issueId: issued.id, volumeGivenMl: 280, recordedBy: staff[3] }))

  assert.deepEqual(again, issued)
  assert.deepEqual([issued.crossmatchId, issued.warnings], [crossmatch.id, []])
  assert.deepEqual([started.status, done.status, done.warnings], ['transfusing', 'completed', []])
  assert.deepEqual(await trail(unit), ['quarantined', 'available', 'reserved', 'crossmatched', 'issued', 'transfused'])
  assert.deepEqual(await events(unit, issued), ['blood.unit_released.v1', 'blood.issued.v1'])
  await assert.rejects(
    run((tx) => discardUnit(tx, unit.id, 'leak', staff[0])),
    IllegalTransitionError,
  )
})

test('issueUnit: not without a crossmatch, not twice, not more units than were requested', async () => {
  const [recipient, other] = [await addRecipient(bank, 'O+'), await addRecipient(bank, 'O+')]
  const [request, second] = [await addRequest(bank, recipient), await addRequest(bank, other)]
  const [unit, spare] = [await addUnit(bank, 'O+', 'LR_PRBC'), await addUnit(bank, 'O+', 'PRBC_SAGM')]

  await assert.rejects(issue(unit, request), CrossmatchError)
  await compatible(unit, request, recipient)
  const issued = await issue(unit, request)
  await assert.rejects(issue(unit, second), UnitAlreadyIssuedError)
  await assert.rejects(reserve(spare, request), RequestTakesNoMoreError)

  const [row] = await run((tx) =>
    tx.query('select status, units_issued from blood_bank.blood_requests where id = $1', [request.id]),
  )
  assert.equal(issued.status, 'issued')
  assert.deepEqual(row, { status: 'fulfilled', units_issued: 1 })
})

test('issueUnit: refuses what does not suit: group, component, expiry', async () => {
  const recipient = await addRecipient(bank, 'O-')
  const request = await addRequest(bank, recipient)
  const [wrongGroup, wrongRhd, plasma, expiring] = [
    await addUnit(bank, 'A-'),
    await addUnit(bank, 'O+', 'IRRAD_PRBC'),
    await addUnit(bank, 'O-', 'FFP'),
    await addUnit(bank, 'O-', 'PRBC', 0.1),
  ]

  await assert.rejects(issue(wrongGroup, request), UnitIncompatibleError)
  await assert.rejects(issue(wrongRhd, request), UnitIncompatibleError)
  await assert.rejects(issue(plasma, request), UnitIncompatibleError)
  await assert.rejects(issue(expiring, request), UnitExpiredError)
})

test('reserveUnit: first expired, first out among units of a group, unless there is a reason', async () => {
  const recipient = await addRecipient(bank, 'B+')
  const request = await addRequest(bank, recipient, 2)
  const [late, early] = [await addUnit(bank, 'B+', 'PRBC', 20), await addUnit(bank, 'B+', 'PRBC', 10)]

  await assert.rejects(reserve(late, request), ReasonRequiredError)
  const kept = await reserve(late, request, 'washed for this patient')
  const again = await reserve(late, request)
  const found = await run((tx) => findCompatibleUnits(tx, request.id))
  const free = await run((tx) => freeUnit(tx, late.id, staff[0]))

  assert.deepEqual(again, kept)
  assert.equal(at(found, 0).id, early.id)
  assert.deepEqual([free.status, free.reservedForRequestId], ['available', null])
})

test('recordCrossmatch: begun and finished; incompatible frees the unit; samples older than 72 hours are refused', async () => {
  const recipient = await addRecipient(bank, 'AB-')
  const request = await addRequest(bank, recipient)
  const unit = await addUnit(bank, 'AB-')
  const input = {
    requestId: request.id,
    componentId: unit.id,
    sampleId: recipient.samples[0],
    method: 'ahg',
    performedBy: staff[0],
  } as const
  const old = await addSample(bank, recipient.patientId, recipient.encounterId, { hoursAgo: 73 })

  await assert.rejects(
    run((tx) => recordCrossmatch(tx, { ...input, sampleId: old })),
    CrossmatchError,
  )
  const begun = await run((tx) => recordCrossmatch(tx, input))
  const done = await run((tx) => recordCrossmatch(tx, { ...input, result: 'incompatible' }))
  const again = await run((tx) => recordCrossmatch(tx, { ...input, result: 'incompatible' }))
  const [row] = await run((tx) =>
    tx.query<{ status: string }>('select status from blood_bank.blood_components where id = $1', [unit.id]),
  )

  assert.deepEqual([begun.status, done.status, row?.status], ['pending', 'incompatible', 'available'])
  assert.equal(done.id, begun.id)
  assert.deepEqual(again, done)
  await assert.rejects(
    run((tx) => recordCrossmatch(tx, { ...input, result: 'compatible' })),
    IdempotencyKeyReusedError,
  )
})

test('recordCrossmatch: electronic only with a confirmed group and a negative antibody screen', async () => {
  const confirmed = await addRecipient(bank, 'A-')
  const unknown = await addRecipient(bank)
  const unit = await addUnit(bank, 'O-')
  const electronic = (request: BloodRequest, { samples }: Recipient) =>
    run((tx) =>
      recordCrossmatch(tx, {
        requestId: request.id,
        componentId: unit.id,
        sampleId: samples[0],
        method: 'electronic',
        performedBy: staff[0],
        result: 'compatible',
      }),
    )

  await assert.rejects(electronic(await addRequest(bank, unknown), unknown), GroupUnconfirmedError)
  const done = await electronic(await addRequest(bank, confirmed), confirmed)

  assert.equal(done.status, 'compatible')
})

test('emergency release: a named doctor lets O negative go uncrossmatched to a patient without a group', async () => {
  const recipient = await addRecipient(bank)
  const unit = await addUnit(bank, 'O-', 'PRBC', 3)
  const { patientId, encounterId } = recipient
  const asked = await run((tx) =>
    requestBlood(tx, {
      patientId,
      encounterId,
      component: 'PRBC',
      units: 1,
      indication: 'bleeding',
      requestedBy: bank.doctor,
      urgency: 'emergency_uncrossmatched',
    }),
  )
  await assert.rejects(
    run((tx) => acceptRequest(tx, asked.id)),
    CrossmatchError,
  )
  await assert.rejects(
    run((tx) => orderEmergencyRelease(tx, asked.id, bank.doctor, '')),
    ReasonRequiredError,
  )
  await run((tx) => orderEmergencyRelease(tx, asked.id, bank.doctor, 'exsanguination'))
  const request = await run((tx) => acceptRequest(tx, asked.id))

  const issued = await issue(unit, request)
  const input = { requestId: request.id, componentId: unit.id, sampleId: recipient.samples[0], performedBy: staff[0] }
  const afterwards = await run((tx) => recordCrossmatch(tx, { ...input, method: 'ahg', result: 'incompatible' }))
  await run((tx) => recordCrossmatch(tx, { ...input, method: 'ahg', result: 'incompatible' }))
  const told = await issue(unit, request)

  assert.deepEqual(issued.warnings, ['group_unconfirmed', 'not_crossmatched'])
  assert.deepEqual(told.warnings, ['group_unconfirmed', 'not_crossmatched', 'incompatible_afterwards'])
  assert.equal(told.crossmatchId, afterwards.id)
})

test('emergency release: a unit that was found incompatible does not leave; another may, with least_incompatible noted', async () => {
  const recipient = await addRecipient(bank, 'B+')
  const request = await addRequest(bank, recipient)
  const [bad, poor] = [await addUnit(bank, 'B+', 'IRRAD_PRBC', 9), await addUnit(bank, 'B-', 'IRRAD_PRBC', 9)]
  const input = { requestId: request.id, sampleId: recipient.samples[0], method: 'ahg', performedBy: staff[0] } as const
  await run((tx) => recordCrossmatch(tx, { ...input, componentId: bad.id, result: 'incompatible' }))
  await run((tx) => recordCrossmatch(tx, { ...input, componentId: poor.id, result: 'least_incompatible' }))

  await assert.rejects(issue(poor, request), CrossmatchError)
  await run((tx) => freeUnit(tx, poor.id, staff[0]))
  await run((tx) => orderEmergencyRelease(tx, request.id, bank.doctor, 'no better unit'))
  await assert.rejects(issue(bad, request), CrossmatchError)
  await run((tx) => recordCrossmatch(tx, { ...input, componentId: poor.id, result: 'least_incompatible' }))
  const issued = await issue(poor, request)

  assert.deepEqual(issued.warnings, ['least_incompatible'])
})

test('returnUnit: within 30 minutes and sealed it is in stock again and the request open; else it must be discarded', async () => {
  const recipient = await addRecipient(bank, 'AB+')
  const request = await addRequest(bank, recipient)
  const unit = await addUnit(bank, 'AB+')
  await compatible(unit, request, recipient)
  const issued = await issue(unit, request)

  await assert.rejects(
    run((tx) => returnUnit(tx, { ...back(issued), minutesOut: 31 })),
    ReturnRefusedError,
  )
  await assert.rejects(
    run((tx) => returnUnit(tx, { ...back(issued), sealIntact: false })),
    ReturnRefusedError,
  )
  const issuedAgo = (minutes: number) =>
    bank.force(`update blood_bank.blood_issues set issued_at = now() - make_interval(mins => $2) where id = $1`, [
      issued.id,
      minutes,
    ])
  await issuedAgo(31)
  await assert.rejects(
    run((tx) => returnUnit(tx, back(issued))),
    ReturnRefusedError,
  )
  await issuedAgo(25)
  const returned = await run((tx) => returnUnit(tx, back(issued)))
  const again = await run((tx) => returnUnit(tx, back(issued)))
  const fresh = await addSample(bank, recipient.patientId, recipient.encounterId)
  await compatible(unit, request, { ...recipient, samples: [fresh, fresh] })
  const second = await issue(unit, request)
  const discarded = await run((tx) => discardUnit(tx, unit.id, 'seal_broken', staff[0]))

  assert.deepEqual(again, returned)
  assert.notEqual(second.id, issued.id)
  assert.equal(discarded.status, 'discarded')
  const [row] = await run((tx) =>
    tx.query('select status, units_issued from blood_bank.blood_requests where id = $1', [request.id]),
  )
  assert.deepEqual(row, { status: 'accepted', units_issued: 0 })
})

test('requests: rejected, cancelled and closed for a reason; their units are free again', async () => {
  const recipient = await addRecipient(bank, 'B-')
  const { patientId, encounterId } = recipient
  const input = {
    patientId,
    encounterId,
    component: 'FFP',
    units: 2,
    indication: 'DIC',
    requestedBy: bank.doctor,
  } as const
  const asked = await run((tx) => requestBlood(tx, { ...input, key: 'request-once' }))
  const again = await run((tx) => requestBlood(tx, { ...input, key: 'request-once' }))
  await assert.rejects(
    run((tx) => requestBlood(tx, { ...input, units: 3, key: 'request-once' })),
    IdempotencyKeyReusedError,
  )
  await assert.rejects(
    run((tx) => requestBlood(tx, { ...input, encounterId: patientId })),
    NotFoundError,
  )
  await assert.rejects(
    run((tx) => rejectRequest(tx, asked.id, '')),
    ReasonRequiredError,
  )
  const rejected = await run((tx) => rejectRequest(tx, asked.id, 'not indicated'))
  const cancelled = await addRequest(bank, recipient, 1, 'FFP')
  const unit = await addUnit(bank, 'B-', 'FFP')
  await reserve(unit, cancelled)
  await run((tx) => cancelRequest(tx, cancelled.id, 'bleeding stopped'))
  const closed = await addRequest(bank, recipient, 2, 'FFP')
  const issued = await issue(unit, closed)
  const end = await run((tx) => closeRequest(tx, closed.id, 'enough'))

  assert.deepEqual(again, asked)
  assert.deepEqual([rejected.status, end.status, end.unitsIssued], ['rejected', 'closed', 1])
  assert.equal(issued.crossmatchId, null, 'plasma is given by group')
})

test('cancelRequest: a unit that somebody keeps for it meanwhile is free again', async () => {
  const recipient = await addRecipient(bank, 'B-')
  const request = await addRequest(bank, recipient, 1, 'FFP')
  const unit = await addUnit(bank, 'B-', 'FFP')
  let cancelling: Promise<BloodRequest> | undefined
  await run(async (tx) => {
    await tx.query(`select blood_bank.reserve_unit($1, $2, $3, 'chosen')`, [unit.id, request.id, staff[0]])
    cancelling = run((other) => cancelRequest(other, request.id, 'bleeding stopped'))
    await untilWaiting()
  })

  assert.equal((await cancelling)?.status, 'cancelled')
  const [after] = await run((tx) =>
    tx.query('select status, reserved_for_request_id from blood_bank.blood_components where id = $1', [unit.id]),
  )
  assert.deepEqual(after, { status: 'available', reserved_for_request_id: null })
})

/** What a patient says to transfusions, in force. */
async function decide(
  patientId: string,
  decision: 'permit' | 'deny',
  {
    expiresAt = null,
    daysAgo = 2,
    encounterId = null,
  }: { expiresAt?: string | null; daysAgo?: number; encounterId?: string | null } = {},
): Promise<string> {
  const consentId = randomUUID()
  await withTenant(bank.admin, contextOf(bank.tenant), async (tx) => {
    await tx.query('set local session_replication_role = replica') // the document that was signed does not matter here
    await tx.query(
      `insert into compliance.consents (
         tenant_id, id, patient_id, kind, decision, given_by, given_at, expires_at, explained_by, document_id, status,
         encounter_id
       )
       values (
         $1, $2, $3, 'transfusion', $5, 'patient', clock_timestamp() - make_interval(days => $6), now() + $4::interval, $2,
         $2, 'active', $7
       )`,
      [bank.tenant, consentId, patientId, expiresAt, decision, daysAgo, encounterId],
    )
  })
  return consentId
}

test('requestBlood: what the patient said under a merged record counts, and a later denial forbids it (IM006)', async () => {
  const { patientId, encounterId } = await addRecipient(bank, 'B-')
  const { patientId: duplicate } = await addRecipient(bank, 'B-')
  const consentId = await decide(duplicate, 'permit')
  const request = { component: 'FFP', units: 1, indication: 'DIC', requestedBy: bank.doctor, consentId } as const
  const ask = () => run((tx) => requestBlood(tx, { patientId, encounterId, ...request }))
  await assert.rejects(ask(), { sqlstate: 'IM006' })

  await withTenant(bank.admin, contextOf(bank.tenant), async (tx) => {
    await tx.query(`select core.set_reason('same person')`)
    await tx.query(`update patient.patients set status = 'merged', merged_into_id = $2 where id = $1`, [
      duplicate,
      patientId,
    ])
  })
  assert.equal((await ask()).status, 'requested')
  await decide(duplicate, 'deny', { daysAgo: 1 })
  await assert.rejects(ask(), { sqlstate: 'IM006' })
})

test('requestBlood: a consent that has run out permits nothing, also before a job says so', async () => {
  const { patientId, encounterId } = await addRecipient(bank, 'B-')
  const ask = async (expiresAt: string | null) => {
    const consentId = await decide(patientId, 'permit', { expiresAt })
    const request = { component: 'FFP', units: 1, indication: 'DIC', requestedBy: bank.doctor, consentId } as const
    return run((tx) => requestBlood(tx, { patientId, encounterId, ...request }))
  }

  await assert.rejects(ask('-1 day'), { sqlstate: 'IM006' })
  assert.equal((await ask('1 day')).status, 'requested')
})

test('requestBlood: a consent for another stay permits nothing (IM006)', async () => {
  const { patientId, encounterId } = await addRecipient(bank, 'B-')
  const { encounterId: another } = await addRecipient(bank, 'B-')
  const request = { component: 'FFP', units: 1, indication: 'DIC', requestedBy: bank.doctor } as const
  const ask = async (stay: string) => {
    const consentId = await decide(patientId, 'permit', { encounterId: stay })
    return run((tx) => requestBlood(tx, { patientId, encounterId, consentId, ...request }))
  }

  await assert.rejects(ask(another), { sqlstate: 'IM006' })
  assert.equal((await ask(encounterId)).status, 'requested')
})

test('issueUnit: what the patient says of transfusions until the unit leaves counts; an emergency is recorded', async () => {
  const { patientId, encounterId } = await addRecipient(bank, 'B-')
  const ask = async (consent: { consentId?: string } = {}) => {
    const request = { component: 'FFP', units: 3, indication: 'DIC', requestedBy: bank.doctor, ...consent } as const
    const { id } = await run((tx) => requestBlood(tx, { patientId, encounterId, ...request }))
    return run((tx) => acceptRequest(tx, id))
  }
  const give = async (to: BloodRequest) => issue(await addUnit(bank, 'B-', 'FFP'), to, 'chosen')
  const consentId = await decide(patientId, 'permit', { daysAgo: 5 })
  const request = await ask({ consentId })
  const withoutConsent = await ask()
  assert.deepEqual((await give(request)).warnings, [])
  assert.deepEqual((await give(withoutConsent)).warnings, [])

  await bank.force(
    `update compliance.consents set status = 'withdrawn', withdrawn_at = now() where tenant_id = $1 and id = $2`,
    [bank.tenant, consentId],
  )
  await assert.rejects(give(request), NotPermittedError)
  await assert.rejects(give(withoutConsent), NotPermittedError, 'what is taken back is refused')
  await run((tx) => orderEmergencyRelease(tx, request.id, bank.doctor, 'exsanguination'))
  assert.deepEqual((await give(request)).warnings, ['without_consent'])

  await decide(patientId, 'permit', { daysAgo: 0 })
  assert.deepEqual((await give(withoutConsent)).warnings, [], 'the patient has said yes since')
})

test('startTransfusion: what is refused after the issue, or after an emergency release, needs a release since (IM006)', async () => {
  const recipient = await addRecipient(bank, 'B-')
  const { patientId, encounterId } = recipient
  const consentId = await decide(patientId, 'permit')
  const asked = { component: 'FFP', units: 1, indication: 'DIC', requestedBy: bank.doctor, consentId } as const
  const request = await run(async (tx) => {
    const { id } = await requestBlood(tx, { patientId, encounterId, ...asked })
    return acceptRequest(tx, id)
  })
  const unit = await addUnit(bank, 'B-', 'FFP')
  const issued = await issue(unit, request, 'chosen')
  const checks = { issueId: issued.id, patientId, din: unit.din, check1By: staff[3], check2By: staff[4] }
  const start = () => run((tx) => startTransfusion(tx, checks))
  const release = () => run((tx) => orderEmergencyRelease(tx, request.id, bank.doctor, 'exsanguination'))

  await run((tx) => withdrawConsent(tx, consentId))
  await assert.rejects(start(), NotPermittedError)
  const first = await release()
  assert.deepEqual(await release(), first)
  await decide(patientId, 'deny', { daysAgo: 0 })
  await assert.rejects(start(), NotPermittedError, 'the release is older than the denial')
  const second = await release()
  const started = await start()
  await decide(patientId, 'deny', { daysAgo: 0 })

  assert.ok(first.emergencyReleaseAt !== null && second.emergencyReleaseAt !== null)
  assert.ok(first.emergencyReleaseAt < second.emergencyReleaseAt)
  assert.deepEqual([started.status, started.warnings], ['transfusing', ['without_consent']])
  assert.deepEqual(await start(), started, 'what is said afterwards does not undo the start')
})

test('startTransfusion: a clock at the bedside may be five minutes slow, which changes no order; more is refused', async () => {
  const recipient = await addRecipient(bank, 'B-')
  const unit = await addUnit(bank, 'B-', 'FFP')
  const issued = await issue(unit, await addRequest(bank, recipient, 1, 'FFP'), 'chosen')
  const checks = {
    issueId: issued.id,
    patientId: recipient.patientId,
    din: unit.din,
    check1By: staff[3],
    check2By: staff[4],
  }
  const minutesBefore = (minutes: number) => new Date(issued.issuedAt.getTime() - minutes * 60_000)

  await assert.rejects(
    run((tx) => startTransfusion(tx, { ...checks, startedAt: minutesBefore(6) })),
    { constraint: 'blood_issues_start_after_issue' },
  )
  const started = await run((tx) => startTransfusion(tx, { ...checks, startedAt: minutesBefore(4) }))
  const given = { issueId: issued.id, volumeGivenMl: 20, recordedBy: staff[3], endedAt: minutesBefore(3) }
  const ended = await run((tx) => completeTransfusion(tx, given))

  assert.deepEqual([started.startedAt, ended.endedAt], [issued.issuedAt, issued.issuedAt])
})

test('reactions: reporting one stops the transfusion; it is investigated, concluded and closed', async () => {
  const recipient = await addRecipient(bank, 'A+')
  const request = await addRequest(bank, recipient, 1, 'PLT_RDP')
  const unit = await addUnit(bank, 'B+', 'PLT_SDP')
  const issued = await issue(unit, request)
  const { patientId } = recipient
  await run((tx) =>
    startTransfusion(tx, { issueId: issued.id, patientId, din: unit.din, check1By: staff[3], check2By: staff[4] }),
  )
  const input = {
    issueId: issued.id,
    kind: 'febrile',
    severity: 'severe',
    onsetAt: new Date(),
    reportedBy: staff[3],
  } as const

  const reported = await run((tx) => reportReaction(tx, { ...input, signs: { temperature: 39 } }))
  const again = await run((tx) => reportReaction(tx, input))
  const stopped = await run((tx) => stopTransfusion(tx, issued.id, 'fever'))
  const investigated = await run((tx) => investigateReaction(tx, reported.id, { culture: 'negative' }))
  const concluded = await run((tx) => concludeReaction(tx, reported.id, 'probable'))
  const closed = await run((tx) => closeReaction(tx, reported.id, 'HVPI-1'))
  const done = await run((tx) =>
    completeTransfusion(tx, { issueId: issued.id, volumeGivenMl: 60, recordedBy: staff[3] }),
  )

  assert.deepEqual(issued.warnings, ['platelets_of_other_group'])
  assert.deepEqual(again, reported)
  assert.deepEqual(
    [stopped.status, investigated.status, concluded.imputability, closed.status, done.status],
    ['stopped', 'investigating', 'probable', 'closed', 'completed'],
  )
  await assert.rejects(
    run((tx) => concludeReaction(tx, reported.id, 'excluded')),
    IllegalTransitionError,
  )
})

test('jobs: units whose time is over expire, lapsed reservations are free again', async () => {
  const recipient = await addRecipient(bank, 'AB-')
  const request = await addRequest(bank, recipient, 1, 'CRYO')
  const [old, lapsed] = [await addUnit(bank, 'AB-', 'CPP'), await addUnit(bank, 'AB-', 'CRYO')]
  await reserve(lapsed, request)
  await bank.force(
    `update blood_bank.blood_components
     set prepared_at = prepared_at - interval '2 hours', expires_at = now() - interval '1 hour' where id = $1`,
    [old.id],
  )
  await bank.force(`update blood_bank.blood_components set reserved_until = now() where id = $1`, [lapsed.id])

  assert.equal(await run((tx) => expireUnits(tx)), 1)
  assert.equal(await run((tx) => freeLapsedUnits(tx)), 1)
  assert.equal(await run((tx) => expireUnits(tx)), 0)
  const [stock] = await run((tx) =>
    tx.query(`select available_units::int, kept_units::int from blood_bank.stock_by_group where component = 'CRYO'`),
  )
  assert.deepEqual(stock, { available_units: 1, kept_units: 0 })
})

function prepare(donationId: string, component: BloodUnit['component'], productCode = 'E0150V00'): Promise<BloodUnit> {
  const [preparedBy] = staff
  const storageLocationId = bank.refrigerator
  return run((tx) =>
    prepareUnit(tx, { donationId, component, productCode, volumeMl: 250, storageLocationId, preparedBy }),
  )
}

function reserve(unit: BloodUnit, request: BloodRequest, reason?: string): Promise<BloodUnit> {
  const input = { componentId: unit.id, requestId: request.id, reservedBy: staff[0] }
  return run((tx) => reserveUnit(tx, reason === undefined ? input : { ...input, reason }))
}

function compatible(unit: BloodUnit, request: BloodRequest, { samples }: Recipient) {
  const [performedBy] = staff
  const input = { requestId: request.id, componentId: unit.id, sampleId: samples[0], performedBy }
  return run((tx) => recordCrossmatch(tx, { ...input, method: 'gel', result: 'compatible' }))
}

function issue(unit: BloodUnit, request: BloodRequest, reason = ''): Promise<BloodIssue> {
  const [issuedBy, receivedBy] = staff
  const input = { componentId: unit.id, requestId: request.id, issuedBy, receivedBy, labelCheckBy: issuedBy, reason }
  return run((tx) => issueUnit(tx, input))
}

function back(issued: BloodIssue) {
  const [takenBackBy, returnedBy] = staff
  return { issueId: issued.id, minutesOut: 12, sealIntact: true, returnedBy, takenBackBy, reason: 'not needed' }
}

async function trail(unit: BloodUnit): Promise<string[]> {
  const rows = await run((tx) =>
    tx.query<{ status: string }>(
      'select to_status as status from blood_bank.component_events where component_id = $1 order by occurred_at',
      [unit.id],
    ),
  )
  return rows.map(({ status }) => status)
}

async function events(unit: BloodUnit, issued: BloodIssue): Promise<string[]> {
  const rows = await bank.admin.query<{ type: string }>(
    `select event_type as type from core.outbox_events where aggregate_id = any ($1) order by aggregate_seq`,
    [[unit.id, issued.id]],
  )
  return rows.map(({ type }) => type)
}

/** Until a session of the database waits for a lock. */
async function untilWaiting(): Promise<void> {
  for (;;) {
    const [waiting] = await bank.admin.query<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    if (waiting && waiting.n > 0) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

test('the day of a birthday, a deferral, a kit and a donation is the one of the tenant', async (t) => {
  const here = await moveToAnotherDay(bank.admin, bank.tenant)
  t.after(() => bank.admin.query(`update core.tenants set timezone = 'Asia/Kolkata' where id = $1`, [bank.tenant]))
  const [day] = await bank.admin.query<{ before: string; after: string; adult: string; minor: string }>(
    `select (d - 1)::text as before, (d + 1)::text as after, (d - interval '18 years')::date::text as adult,
       (d + 1 - interval '18 years')::date::text as minor
     from (select $1::date as d) as t`,
    [here.date],
  )
  assert.ok(day)
  const screen = (donorId: string) => run((tx) => screenDonor(tx, { ...healthy, donorId, screenedBy: staff[0] }))

  const donorId = await addDonor(bank, day.adult)
  const returning = await addDonor(bank)
  const deferral = { reasonCode: 'travel', kind: 'temporary', untilOn: day.after, recordedBy: staff[0] } as const
  const deferred = await run((tx) => deferDonor(tx, { ...deferral, donorId: returning }))
  const lapsed = await addDonor(bank)
  await bank.force(
    `insert into blood_bank.donor_deferrals (tenant_id, donor_id, reason_code, kind, from_on, until_on, recorded_by, source)
     values ($1, $2, 'travel', 'temporary', '2020-01-01', $3, $4, 'screening')`,
    [bank.tenant, lapsed, here.date, staff[0]],
  )
  const { id: donationId } = await addDonation(bank, donorId)
  const [donor] = await run((tx) =>
    tx.query<{ on: string }>('select last_whole_blood_on::text as on from blood_bank.donors where id = $1', [donorId]),
  )
  const kit = {
    donationId,
    test: 'HIV',
    method: 'clia',
    kitLot: 'K',
    testedBy: staff[0],
    result: 'non_reactive',
  } as const

  assert.deepEqual([deferred.fromOn, donor?.on], [here.date, here.date])
  assert.equal((await screen(lapsed)).status, 'screened')
  await assert.rejects(screen(returning), DonorNotEligibleError)
  await assert.rejects(async () => screen(await addDonor(bank, day.minor)), /donors_of_age|too_young/)
  await assert.rejects(
    run((tx) => enterTest(tx, { ...kit, kitExpiry: day.before })),
    { constraint: 'donation_tests_kit_in_date' },
  )
  assert.equal((await run((tx) => enterTest(tx, { ...kit, kitExpiry: here.date }))).status, 'entered')
})
