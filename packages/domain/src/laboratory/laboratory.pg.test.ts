import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import {
  AliquotVolumeError,
  BarcodeTakenError,
  CriticalNotNotifiedError,
  IllegalTransitionError,
  NotFoundError,
  NotPermittedError,
  PatientNotIdentifiedError,
  QcRejectedError,
  ReasonRequiredError,
  RejectionReasonError,
  ResultImmutableError,
  SamePersonError,
  SampleMoveError,
  StabilityExceededError,
} from '@imhotep/postgres'
import { contextOf } from '../../../../tests/support/tenants.ts'
import { useOtherDate, withHospital } from '../hospital.fixture.ts'
import { single } from '../rows.ts'
import {
  bringToBench,
  openLaboratory,
  orderOnBench,
  orderTests,
  statusOf,
  type Laboratory,
} from './laboratory.fixture.ts'
import { cancelLabOrder, cancelLabOrderItem, placeLabOrder } from './orders.ts'
import { acceptQcLot, recordEqa, recordQc, retireQcLot, reviewQc } from './quality-control.ts'
import { amendLabReport, issueLabReport, notifyCritical } from './reports.ts'
import { authoriseResult, cancelResult, correctResult, enterResult, verifyResult } from './results.ts'
import type { LabResult } from './rows.ts'
import { accessionOrder, changeSampleState, createAliquots } from './samples.ts'

const withLaboratory = (work: (laboratory: Laboratory) => Promise<void>) =>
  withHospital(async (hospital) => work(await openLaboratory(hospital)))

test('an order goes from the bedside to the final report, and each step asked again gives the same answer', () =>
  withLaboratory(async (laboratory) => {
    const { asFirst, asSecond } = laboratory
    const { orderId, items, samples } = await orderTests(laboratory, ['HB', 'KNA'])
    const again = await asFirst((tx) => accessionOrder(tx, orderId))
    for (const sample of samples) await bringToBench(laboratory, sample.id)
    const orderItemId = items['HB'] ?? ''

    const entered = await asFirst((tx) => enterResult(tx, { orderItemId, valueNum: 11.2 }))
    const typedAgain = await asFirst((tx) => enterResult(tx, { orderItemId, valueNum: 11.2 }))
    const verified = await asSecond((tx) => verifyResult(tx, entered.id))
    const released = await asFirst((tx) => authoriseResult(tx, entered.id))
    const partial = await asFirst((tx) => issueLabReport(tx, orderId))
    const statusPartly = await statusOf(laboratory, orderId)
    for (const code of ['K', 'NA']) await release(laboratory, items[code] ?? '', 4)
    const final = await asFirst((tx) => issueLabReport(tx, orderId))
    const finalAgain = await asFirst((tx) => issueLabReport(tx, orderId))

    assert.deepEqual(again, samples)
    assert.deepEqual(
      samples.map((sample) => `${sample.specimenType} ${sample.accessionNumber.slice(-6)}`),
      ['blood 000001', 'serum 000002'],
    )
    assert.deepEqual(typedAgain, entered)
    assert.deepEqual([entered.status, entered.flag, entered.referenceText], ['preliminary', 'L', '12 - 16'])
    assert.deepEqual([verified.status, released.status], ['verified', 'final'])
    assert.deepEqual(
      [partial.status, partial.resultIds.length, statusPartly],
      ['partial', 1, 'partially_reported: reported sampled sampled'],
    )
    assert.deepEqual([final.id, final.status, final.version, final.resultIds.length], [partial.id, 'final', 1, 3])
    assert.deepEqual(finalAgain, final)
    assert.equal(await statusOf(laboratory, orderId), 'completed: reported reported reported')
    assert.deepEqual(await statesOfSample(laboratory, samples[0]?.id ?? ''), [
      'planned',
      'collected',
      'received',
      'accessioned',
      'in_process',
      'tested',
    ])
  }))

test('placeLabOrder: a key makes one order, an unknown test and a strange encounter are refused', () =>
  withLaboratory(async ({ asFirst, hospital, patientId, doctorId }) => {
    const order = { patientId, codes: ['HB'], clinicId: hospital.clinicId, orderingDoctorId: doctorId }

    const first = await asFirst((tx) => placeLabOrder(tx, { ...order, key: 'order-one', priority: 'stat' }))
    const second = await asFirst((tx) => placeLabOrder(tx, { ...order, key: 'order-one', priority: 'stat' }))

    assert.deepEqual(second, first)
    assert.equal(first.dueAt.getTime() - first.orderedAt.getTime(), 30 * 60_000)
    await assert.rejects(
      asFirst((tx) => placeLabOrder(tx, { ...order, codes: ['NOTHING'] })),
      NotFoundError,
    )
    await assert.rejects(
      asFirst((tx) => placeLabOrder(tx, { ...order, encounterId: randomUUID() })),
      NotFoundError,
    )
  }))

test('cancelLabOrder: takes planned samples with it, asks for a reason, and comes too late once a test is in process', () =>
  withLaboratory(async (laboratory) => {
    const { asFirst } = laboratory
    const { orderId, items, samples } = await orderTests(laboratory, ['HB', 'K'])
    const begun = await orderOnBench(laboratory, ['HB'])
    await asFirst((tx) => enterResult(tx, { orderItemId: begun.items['HB'] ?? '', valueNum: 13 }))

    const item = await asFirst((tx) => cancelLabOrderItem(tx, items['K'] ?? '', 'ordered twice'))
    const order = await asFirst((tx) => cancelLabOrder(tx, orderId, 'patient left'))

    assert.deepEqual([item.status, order.status], ['cancelled', 'cancelled'])
    assert.deepEqual(await statesOfSample(laboratory, samples[1]?.id ?? ''), ['planned', 'cancelled'])
    await assert.rejects(
      asFirst((tx) => cancelLabOrder(tx, begun.orderId, 'too late')),
      IllegalTransitionError,
    )
    await assert.rejects(
      asFirst((tx) => cancelLabOrder(tx, begun.orderId, ' ')),
      ReasonRequiredError,
    )
  }))

test('changeSampleState: an offline move sent twice is one event; moves that cannot be are refused', () =>
  withLaboratory(async (laboratory) => {
    const { asFirst, hospital } = laboratory
    const { samples } = await orderTests(laboratory, ['HB'])
    const sampleId = samples[0]?.id ?? ''
    const collected = { sampleId, to: 'collected', clientOpId: randomUUID() } as const

    await assert.rejects(
      asFirst((tx) => changeSampleState(tx, collected)),
      PatientNotIdentifiedError,
    )
    await assert.rejects(
      hospital.run((tx) => changeSampleState(tx, { ...collected, patientIdCheck: 'two_identifiers' }), {
        user: randomUUID(),
      }),
      NotPermittedError,
    )
    const first = await asFirst((tx) => changeSampleState(tx, { ...collected, patientIdCheck: 'wristband_scan' }))
    const again = await asFirst((tx) => changeSampleState(tx, { ...collected, patientIdCheck: 'wristband_scan' }))
    const withoutId = await asFirst((tx) => changeSampleState(tx, { sampleId, to: 'collected' }))

    assert.deepEqual([again, withoutId], [first, first])
    await assert.rejects(
      asFirst((tx) =>
        changeSampleState(tx, { ...collected, clientOpId: randomUUID(), patientIdCheck: 'two_identifiers' }),
      ),
      SampleMoveError,
    )
    await assert.rejects(
      asFirst((tx) => changeSampleState(tx, { sampleId, to: 'tested' })),
      SampleMoveError,
    )
    await assert.rejects(
      asFirst((tx) =>
        changeSampleState(tx, { sampleId, to: 'received', occurredAt: new Date(Date.now() - 3_600_000) }),
      ),
      SampleMoveError,
    )
  }))

test('changeSampleState: a rejected sample is collected again, and the tests wait for the new one', () =>
  withLaboratory(async (laboratory) => {
    const { asFirst } = laboratory
    const { orderId, items, samples } = await orderOnBench(laboratory, ['KNA'])
    const sampleId = samples[0]?.id ?? ''
    await asFirst((tx) => enterResult(tx, { orderItemId: items['K'] ?? '', valueNum: 9 }))

    await assert.rejects(
      asFirst((tx) => changeSampleState(tx, { sampleId, to: 'rejected' })),
      RejectionReasonError,
    )
    await asFirst((tx) =>
      changeSampleState(tx, { sampleId, to: 'rejected', reasonCode: 'haemolysed', receiptCondition: 'haemolysed' }),
    )
    const waiting = await statusOf(laboratory, orderId)
    const [, replacement] = await asFirst((tx) => accessionOrder(tx, orderId))
    await bringToBench(laboratory, replacement?.id ?? '')

    assert.equal(waiting, 'in_progress: recollect recollect')
    assert.equal(replacement?.recollectionOfId, sampleId)
    assert.equal(await statusOf(laboratory, orderId), 'in_progress: sampled sampled')
    const result = await release(laboratory, items['K'] ?? '', 4)
    assert.equal(result.status, 'final')
  }))

test('receipt: a sample that is too old needs a stated exception, which is printed on the report', () =>
  withLaboratory(async (laboratory) => {
    const { asFirst } = laboratory
    const { orderId, items, samples } = await orderTests(laboratory, ['K'])
    const sampleId = samples[0]?.id ?? ''
    const fiveHoursAgo = new Date(Date.now() - 5 * 3_600_000)
    await asFirst((tx) =>
      changeSampleState(tx, { sampleId, to: 'collected', patientIdCheck: 'two_identifiers', occurredAt: fiveHoursAgo }),
    )

    await assert.rejects(
      asFirst((tx) => changeSampleState(tx, { sampleId, to: 'received' })),
      StabilityExceededError,
    )
    await assert.rejects(
      asFirst((tx) => changeSampleState(tx, { sampleId, to: 'received', temperatureC: 40 })),
      StabilityExceededError,
    )
    const acceptedWithException = 'drawn once only, five hours old'
    await asFirst((tx) => changeSampleState(tx, { sampleId, to: 'received', acceptedWithException }))
    await asFirst((tx) => changeSampleState(tx, { sampleId, to: 'accessioned' }))
    await release(laboratory, items['K'] ?? '', 4)
    const report = await asFirst((tx) => issueLabReport(tx, orderId))

    assert.deepEqual(report.exceptions, [acceptedWithException])
    const [row] = await asFirst((tx) =>
      tx.query('select receipt_condition from laboratory.samples where id = $1', [sampleId]),
    )
    assert.deepEqual(row, { receipt_condition: 'delayed' })
  }))

test('createAliquots: no more than the sample holds, once for each call; a result may come from an aliquot', () =>
  withLaboratory(async (laboratory) => {
    const { asFirst } = laboratory
    const { items, samples } = await orderOnBench(laboratory, ['HB'])
    const input = { sampleId: samples[0]?.id ?? '', volumesMl: [1, 1.5], clientOpId: randomUUID() }

    await assert.rejects(
      asFirst((tx) => createAliquots(tx, { ...input, volumesMl: [2, 2] })),
      AliquotVolumeError,
    )
    const aliquots = await asFirst((tx) => createAliquots(tx, input))
    const again = await asFirst((tx) => createAliquots(tx, input))
    const result = await asFirst((tx) =>
      enterResult(tx, { orderItemId: items['HB'] ?? '', sampleId: aliquots[0]?.id ?? '', valueNum: 13 }),
    )

    assert.deepEqual(again, aliquots)
    assert.deepEqual(
      aliquots.map((aliquot) => aliquot.accessionNumber.slice(-3)),
      ['-A1', '-A2'],
    )
    assert.equal(result.flag, 'N')
    assert.deepEqual(await statesOfSample(laboratory, aliquots[0]?.id ?? ''), ['accessioned', 'in_process', 'tested'])
    await assert.rejects(
      asFirst((tx) => createAliquots(tx, { ...input, volumesMl: [1], clientOpId: randomUUID() })),
      AliquotVolumeError,
    )
  }))

test('accession: a preprinted barcode is used once', () =>
  withLaboratory(async (laboratory) => {
    const { asFirst, hospital, patientId, doctorId } = laboratory
    const order = () =>
      asFirst((tx) =>
        placeLabOrder(tx, { patientId, codes: ['HB'], clinicId: hospital.clinicId, orderingDoctorId: doctorId }),
      )
    const labels = [{ specimenType: 'blood', barcode: 'PRE-1' }]
    const [one, two] = [await order(), await order()]

    const [sample] = await asFirst((tx) => accessionOrder(tx, one.id, labels))

    assert.equal(sample?.barcode, 'PRE-1')
    await assert.rejects(
      asFirst((tx) => accessionOrder(tx, two.id, labels)),
      BarcodeTakenError,
    )
  }))

test('results: where a test asks for two people, nobody does two steps in a row; a released one is only corrected', () =>
  withLaboratory(async (laboratory) => {
    const { asFirst, asSecond } = laboratory
    const { items } = await orderOnBench(laboratory, ['HB'])
    const orderItemId = items['HB'] ?? ''
    const result = await asFirst((tx) => enterResult(tx, { orderItemId, valueNum: 12 }))

    await assert.rejects(
      asFirst((tx) => verifyResult(tx, result.id)),
      SamePersonError,
    )
    await assert.rejects(
      asFirst((tx) => authoriseResult(tx, result.id)),
      IllegalTransitionError,
    )
    const replaced = await asFirst((tx) => enterResult(tx, { orderItemId, valueNum: 13 }))
    await asSecond((tx) => verifyResult(tx, result.id))
    const dropped = await asSecond((tx) => cancelResult(tx, result.id, 'measured the wrong tube'))
    const repeated = await asFirst((tx) => enterResult(tx, { orderItemId, valueNum: 14 }))
    await asSecond((tx) => verifyResult(tx, repeated.id))
    await assert.rejects(
      asSecond((tx) => authoriseResult(tx, repeated.id)),
      SamePersonError,
    )
    await asFirst((tx) => authoriseResult(tx, repeated.id))

    assert.deepEqual([replaced.id, replaced.valueNum], [result.id, '13'])
    assert.equal(dropped.status, 'cancelled')
    await assert.rejects(
      asFirst((tx) => enterResult(tx, { orderItemId, valueNum: 15 })),
      ResultImmutableError,
    )
    await assert.rejects(
      asFirst((tx) => cancelResult(tx, repeated.id, 'too late')),
      ResultImmutableError,
    )
  }))

test('correctResult: a new row, a new version of the report, the old ones kept', () =>
  withLaboratory(async (laboratory) => {
    const { asFirst, asSecond, staff } = laboratory
    const { orderId, items } = await orderOnBench(laboratory, ['HB'])
    const wrong = await release(laboratory, items['HB'] ?? '', 13)
    const report = await asFirst((tx) => issueLabReport(tx, orderId))
    const correction = { resultId: wrong.id, reason: 'typing error', valueNum: 15, verifiedBy: staff[1] }

    await assert.rejects(
      asFirst((tx) => correctResult(tx, { ...correction, verifiedBy: staff[0] })),
      SamePersonError,
    )
    await assert.rejects(
      asFirst((tx) => correctResult(tx, { ...correction, reason: '' })),
      ReasonRequiredError,
    )
    const corrected = await asFirst((tx) => correctResult(tx, correction))
    const again = await asFirst((tx) => correctResult(tx, correction))
    const amended = await asSecond(async (tx) => {
      const [current] = await tx.query<{ id: string }>(
        'select id from laboratory.diagnostic_reports where order_id = $1 and is_current',
        [orderId],
      )
      return amendLabReport(tx, current?.id ?? '', 'comment added', Buffer.from('sealed'))
    })

    assert.deepEqual([corrected.status, corrected.supersedesId], ['corrected', wrong.id])
    assert.deepEqual(again, corrected)
    assert.deepEqual([amended.version, amended.status, amended.resultIds], [3, 'amended', [corrected.id]])
    assert.equal(await statusOf(laboratory, orderId), 'amended: amended')
    const versions = await asFirst((tx) =>
      tx.query(
        'select version, status, result_ids, amendment_reason from laboratory.diagnostic_reports order by version',
      ),
    )
    assert.deepEqual(versions.slice(0, 2), [
      { version: 1, status: 'final', result_ids: [wrong.id], amendment_reason: null },
      { version: 2, status: 'corrected', result_ids: [corrected.id], amendment_reason: 'typing error' },
    ])
    await assert.rejects(
      asFirst((tx) => correctResult(tx, { ...correction, valueNum: 16 })),
      ResultImmutableError,
    )
    await assert.rejects(
      asFirst((tx) => amendLabReport(tx, report.id, 'not the newest')),
      ResultImmutableError,
    )
  }))

test('correctResult: judges by the pregnancy that the old value was judged by', () =>
  withLaboratory(async (laboratory) => {
    const { asFirst, asSecond, staff, hospital, tests } = laboratory
    await asFirst((tx) =>
      tx.query(
        `insert into laboratory.reference_ranges
           (tenant_id, test_id, sex, age_days, pregnancy, low, high, valid_during, approved_by)
         values ($1, $2, 'any', '(,)', 'yes', 10, 14, '[2020-01-01,)', $3)`,
        [hospital.tenant, tests.HB, staff[0]],
      ),
    )
    const flags: (string | null)[] = []
    for (const pregnant of [true, false]) {
      const orderItemId = (await orderOnBench(laboratory, ['HB'])).items['HB'] ?? ''
      const { id } = await asFirst((tx) => enterResult(tx, { orderItemId, valueNum: 11, pregnant }))
      await asSecond((tx) => verifyResult(tx, id))
      const { flag } = await asFirst((tx) => authoriseResult(tx, id))
      const correction = { resultId: id, reason: 'typing error', valueNum: 11.5, verifiedBy: staff[1] }
      flags.push(flag, (await asFirst((tx) => correctResult(tx, correction))).flag)
    }

    assert.deepEqual(flags, ['N', 'N', 'L', 'L'])
  }))

test('critical values: no report before somebody read the value back, for a correction as well', () =>
  withLaboratory(async (laboratory) => {
    const { asFirst, staff } = laboratory
    const { orderId, items } = await orderOnBench(laboratory, ['HB'])
    const result = await release(laboratory, items['HB'] ?? '', 5.5)
    const call = { resultId: result.id, notifiedTo: 'ward sister', channel: 'phone' } as const
    const events = () =>
      laboratory.hospital.admin.query(
        `select from core.outbox_events where tenant_id = $1 and event_type = 'result.critical.v1'`,
        [laboratory.hospital.tenant],
      )

    assert.deepEqual([result.flag, result.isCritical, (await events()).length], ['LL', true, 1])
    await assert.rejects(
      asFirst((tx) => issueLabReport(tx, orderId)),
      CriticalNotNotifiedError,
    )
    await asFirst((tx) => notifyCritical(tx, { ...call, readBack: false, outcome: 'no answer' }))
    await assert.rejects(
      asFirst((tx) => issueLabReport(tx, orderId)),
      CriticalNotNotifiedError,
    )
    const told = await asFirst((tx) => notifyCritical(tx, { ...call, readBack: true, escalationLevel: 1 }))
    const again = await asFirst((tx) => notifyCritical(tx, { ...call, readBack: true, escalationLevel: 1 }))
    const report = await asFirst((tx) => issueLabReport(tx, orderId))

    assert.equal(told.withinTarget, true)
    assert.deepEqual(again, told)
    assert.equal(report.status, 'final')
    const correction = { resultId: result.id, reason: 'decimal point', valueNum: 22, verifiedBy: staff[1] }
    await assert.rejects(
      asFirst((tx) => correctResult(tx, correction)),
      CriticalNotNotifiedError,
    )
    const notification = { notifiedTo: 'ward sister', channel: 'phone', readBack: true } as const
    const corrected = await asFirst((tx) => correctResult(tx, { ...correction, notification }))
    assert.equal(corrected.flag, 'HH')
    await assert.rejects(
      asFirst((tx) => notifyCritical(tx, { ...call, resultId: randomUUID(), readBack: true })),
      NotFoundError,
    )
  }))

test('quality control: an analyser without an accepted run, or with a rejected one, releases nothing', () =>
  withLaboratory(async (laboratory) => {
    const { asFirst, asSecond, analyserId } = laboratory
    const { items } = await orderOnBench(laboratory, ['HB'])
    const lot = await openLot(laboratory)
    const result = await asFirst((tx) =>
      enterResult(tx, { orderItemId: items['HB'] ?? '', valueNum: 13, deviceId: analyserId }),
    )
    await asSecond((tx) => verifyResult(tx, result.id))

    await assert.rejects(
      asFirst((tx) => authoriseResult(tx, result.id)),
      QcRejectedError,
    )
    await assert.rejects(
      asFirst((tx) => acceptQcLot(tx, lot)),
      QcRejectedError,
    )
    await asFirst((tx) => recordQc(tx, lot, 10.1, minutesAgo(3)))
    await asFirst((tx) => recordQc(tx, lot, 9.9, minutesAgo(2)))
    const accepted = await asFirst((tx) => acceptQcLot(tx, lot))
    await assert.rejects(
      asFirst((tx) => authoriseResult(tx, result.id)),
      QcRejectedError,
      'measured before the lot was in use',
    )
    assert.equal(accepted.status, 'active')
    const good = await asFirst((tx) => recordQc(tx, lot, 10.2, new Date()))
    const measured = { orderItemId: items['HB'] ?? '', valueNum: 13, deviceId: analyserId }
    await asFirst((tx) => cancelResult(tx, result.id, 'measured without control'))
    const repeated = await asFirst((tx) => enterResult(tx, measured))
    await asSecond((tx) => verifyResult(tx, repeated.id))
    const bad = await asFirst((tx) => recordQc(tx, lot, 14, new Date()))
    await assert.rejects(
      asFirst((tx) => authoriseResult(tx, repeated.id)),
      QcRejectedError,
      'a control failed since',
    )
    await asFirst((tx) => recordQc(tx, lot, 10, new Date()))
    const released = await asFirst((tx) => authoriseResult(tx, repeated.id))

    assert.deepEqual([good.verdict, bad.verdict, bad.violatedRules], ['accept', 'reject', ['1_2s', '1_3s']])
    assert.equal(released.status, 'final')
    await assert.rejects(
      asFirst((tx) => reviewQc(tx, bad.id)),
      { sqlstate: '23514' },
    )
    const reviewed = await asFirst((tx) => reviewQc(tx, good.id))
    assert.deepEqual(await asFirst((tx) => reviewQc(tx, good.id)), reviewed)
    assert.equal((await asFirst((tx) => retireQcLot(tx, lot))).status, 'retired')
    await assert.rejects(
      asFirst((tx) => recordQc(tx, lot, 10, new Date())),
      QcRejectedError,
    )
  }))

test('quality control: a level that was given up after a rejected run holds back only what was measured before', () =>
  withLaboratory(async (laboratory) => {
    const { asFirst, asSecond, analyserId } = laboratory
    const { items } = await orderOnBench(laboratory, ['HB'])
    const [kept, given] = [await openLot(laboratory, 'L1'), await openLot(laboratory, 'L2')]
    for (const lot of [kept, given]) {
      for (const minutes of [3, 2]) await asFirst((tx) => recordQc(tx, lot, 10, minutesAgo(minutes)))
      await asFirst((tx) => acceptQcLot(tx, lot))
    }
    await asFirst((tx) => recordQc(tx, kept, 10.2, new Date()))
    await asFirst((tx) => recordQc(tx, given, 14, new Date()))
    const measure = async () => {
      const entered = { orderItemId: items['HB'] ?? '', valueNum: 13, deviceId: analyserId }
      const { id } = await asFirst((tx) => enterResult(tx, entered))
      await asSecond((tx) => verifyResult(tx, id))
      return id
    }
    const before = await measure()
    await asFirst((tx) => retireQcLot(tx, given))

    await assert.rejects(
      asFirst((tx) => authoriseResult(tx, before)),
      QcRejectedError,
    )
    await asFirst((tx) => cancelResult(tx, before, 'measured while the control failed'))
    const after = await measure()
    assert.equal((await asFirst((tx) => authoriseResult(tx, after))).status, 'final')
  }))

test('recordEqa: a round is judged by its z score and recorded once', () =>
  withLaboratory(async ({ asFirst, tests, analyserId }) => {
    const round = {
      testId: tests.HB,
      deviceId: analyserId,
      round: 'EQA 2026-1',
      target: 10,
      sd: 0.5,
      runAt: new Date(),
    }

    const first = await asFirst((tx) => recordEqa(tx, { ...round, value: 11.25 }))
    const again = await asFirst((tx) => recordEqa(tx, { ...round, value: 11.25 }))

    assert.deepEqual([first.zScore, first.eqaPerformance], ['2.5000', 'questionable'])
    assert.deepEqual(again, first)
    await assert.rejects(
      asFirst((tx) => recordEqa(tx, { ...round, value: 10 })),
      { sqlstate: 'IM011' },
    )
  }))

test('recordQc: a control lot is in date until the end of its day in the zone of the tenant (IM310)', () =>
  withLaboratory(async (laboratory) => {
    const { asFirst, hospital } = laboratory
    const lot = await openLot(laboratory)
    const today = await useOtherDate(hospital)
    const expireOn = (days: number) =>
      withTenant(hospital.admin, contextOf(hospital.tenant), (tx) =>
        tx.query(
          'update laboratory.qc_lots set opened_on = $2::date - 9, expires_on = $2::date + $3::int where id = $1',
          [lot, today, days],
        ),
      )

    await expireOn(-1)
    await assert.rejects(
      asFirst((tx) => recordQc(tx, lot, 10, minutesAgo(0))),
      { sqlstate: 'IM310' },
    )
    await expireOn(0)
    assert.equal((await asFirst((tx) => recordQc(tx, lot, 10, minutesAgo(0)))).qcLotId, lot)
  }))

/** Entered by the first, verified by the second, released by the first. */
async function release(laboratory: Laboratory, orderItemId: string, valueNum: number): Promise<LabResult> {
  const { asFirst, asSecond } = laboratory
  const { id } = await asFirst((tx) => enterResult(tx, { orderItemId, valueNum }))
  await asSecond((tx) => verifyResult(tx, id))
  return asFirst((tx) => authoriseResult(tx, id))
}

/** A lot for HB with mean 10 and SD 1 that needs two runs. */
async function openLot({ asFirst, hospital, tests, analyserId }: Laboratory, level = 'L2'): Promise<string> {
  const rows = await asFirst((tx) =>
    tx.query<{ id: string }>(
      `insert into laboratory.qc_lots (
         tenant_id, material, lot_number, level, test_id, device_id, mean, sd, source, runs_for_establishment, opened_on,
         expires_on
       )
       values ($1, 'Control', 'C-1', $4, $2, $3, 10, 1, 'manufacturer', 2, current_date - 1, current_date + 90)
       returning id`,
      [hospital.tenant, tests.HB, analyserId, level],
    ),
  )
  return single(rows).id
}

async function statesOfSample({ asFirst }: Laboratory, sampleId: string): Promise<string[]> {
  const rows = await asFirst((tx) =>
    tx.query<{ state: string }>(
      'select to_status as state from laboratory.sample_events where sample_id = $1 order by occurred_at',
      [sampleId],
    ),
  )
  return rows.map(({ state }) => state)
}

function minutesAgo(minutes: number): Date {
  return new Date(Date.now() - minutes * 60_000)
}
