import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import {
  IdempotencyKeyReusedError,
  LeaseLostError,
  NotPermittedError,
  SeriesNotConfiguredError,
} from '@imhotep/postgres'
import { digest, useOtherDate, withHospital } from '../hospital.fixture.ts'
import { assertNotProduction, listActiveTenants, readEnvironment, readSetting, setReason } from './context.ts'
import { once } from './idempotency.ts'
import { configureSeries, nextNumber } from './numbers.ts'
import { claimOutbox, enqueueOutboxEvent, markFailed, markPublished, replayOutboxEvent } from './outbox.ts'

test('nextNumber: counts without a gap, a rolled back number is given again', () =>
  withHospital(async ({ run }) => {
    await run((tx) => configureSeries(tx, { scope: 'bill', series: 'a', prefix: 'B/{YYYY}/', pad: 4, period: 'year' }))
    const input = { scope: 'bill', series: 'a', date: '2026-05-01' }

    const first = await run((tx) => nextNumber(tx, input))
    const rollback = run(async (tx) => {
      await nextNumber(tx, input)
      throw new Error('changed my mind')
    })
    await assert.rejects(rollback, /changed my mind/)
    const second = await run((tx) => nextNumber(tx, input))

    assert.deepEqual([first, second], ['B/2026/0001', 'B/2026/0002'])
    await assert.rejects(
      run((tx) => nextNumber(tx, { scope: 'bill', series: 'none' })),
      SeriesNotConfiguredError,
    )
  }))

test('nextNumber: counts by the date of the tenant, whatever the server shows', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const date = await useOtherDate(hospital)
    await run((tx) => configureSeries(tx, { scope: 'bill', series: '', prefix: '{YYYY}-{MM}-{DD}/', period: 'day' }))

    const named = await run((tx) => nextNumber(tx, { scope: 'bill', series: '' }))
    const [made] = await hospital.admin.transaction(async (tx) => {
      await tx.query(`select core.begin_request($1, null, 'system', 'HOPERAT', null)`, [hospital.tenant])
      return tx.query<{ number: string }>(`select core.next_default_number('bill', '', '') as number`)
    })

    assert.deepEqual([named, made?.number], [`${date}/1`, `${date}/2`])
  }))

test('once: the work runs once per key, a repetition gets the first answer, other content is refused', () =>
  withHospital(async ({ run }) => {
    let runs = 0
    const attempt = (content: string) =>
      run((tx) =>
        once(tx, { operation: 'test.work', key: 'request-1', requestHash: digest(content) }, async () => ({
          run: ++runs,
        })),
      )

    const answers = [await attempt('a'), await attempt('a')]

    assert.deepEqual(answers, [{ run: 1 }, { run: 1 }])
    await assert.rejects(attempt('b'), IdempotencyKeyReusedError)
  }))

test('claimOutbox: keeps the order of an aggregate, and only the token that claimed may report', () =>
  withHospital(async ({ run }) => {
    const aggregate = { aggregateType: 'thing', aggregateId: randomUUID() }
    await run(async (tx) => {
      await claimOutbox(tx, { worker: 'drain' }).then((events) =>
        Promise.all(events.map((event) => markPublished(tx, [event.id], event.lockToken))),
      )
      await enqueueOutboxEvent(tx, { ...aggregate, eventType: 'thing.made.v1', payload: { n: 1 } })
      await enqueueOutboxEvent(tx, { ...aggregate, eventType: 'thing.changed.v1', payload: { n: 2 } })
    })
    const claim = () =>
      run(async (tx) => (await claimOutbox(tx, { worker: 'w' })).filter((event) => event.aggregateType === 'thing'))

    const [made, ...others] = await claim()
    assert.ok(made)
    assert.deepEqual([made.eventType, made.payload, others.length], ['thing.made.v1', { n: 1 }, 0])
    await assert.rejects(
      run((tx) => markPublished(tx, [made.id], randomUUID())),
      LeaseLostError,
    )
    const failure = { eventId: made.id, lockToken: made.lockToken, error: 'no network', maxAttempts: 1 }
    const status = await run((tx) => markFailed(tx, failure))
    await run((tx) => replayOutboxEvent(tx, made.id))
    const [again] = await claim()

    assert.deepEqual([status, again?.id, again?.attempts], ['dead', made.id, 1])
  }))

test('context: settings, environment, reason and tenants can be read and set in a transaction', () =>
  withHospital(async ({ run, admin, tenant }) => {
    const setting = await run((tx) => readSetting(tx, 'mrn.series'))
    const environment = await run((tx) => readEnvironment(tx))
    const reason = await run(async (tx) => {
      await setReason(tx, 'asked by the patient')
      return tx.query<{ reason: string }>('select core.current_reason() as reason')
    })
    const tenants = await run((tx) => listActiveTenants(tx))

    assert.deepEqual([setting, environment, reason[0]?.reason], ['tenant', null, 'asked by the patient'])
    assert.deepEqual(tenants, [tenant])
    await assert.rejects(
      run((tx) => assertNotProduction(tx)),
      NotPermittedError,
    )
    const context = { tenant, user: null, role: 'system', purpose: 'HOPERAT' } as const
    await withTenant(admin, context, (tx) => tx.query(`select core.set_environment('test')`))
    await run((tx) => assertNotProduction(tx))
  }))
