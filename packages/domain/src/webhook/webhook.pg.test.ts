import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CheckViolationError,
  EventNotProcessingError,
  IdempotencyKeyReusedError,
  IllegalTransitionError,
  NotFoundError,
  OperationRefusedError,
} from '@imhotep/postgres'
import { digest, withHospital, type Hospital } from '../hospital.fixture.ts'
import { claimEvents, claimNextEvent, extendLease, releaseExpiredLeases, type ClaimedEvent } from './claim-events.ts'
import { enqueueEvent, replayEvent, type WebhookEventInput } from './enqueue-event.ts'
import { markEventResult, type EventResult } from './mark-event-result.ts'

async function addWebhook(
  { run, tenant }: Hospital,
  code: string,
  direction: 'in' | 'out',
  maxAttempts = 3,
): Promise<void> {
  const url = direction === 'out' ? `https://${code}.example/hook` : null
  await run((tx) =>
    tx.query(
      `insert into webhook.integration_webhooks (tenant_id, code, direction, url, secret_ref, max_attempts)
      values ($1, $2, $3, $4, 'vault://hooks/test', $5)`,
      [tenant, code, direction, url, maxAttempts],
    ),
  )
}

function eventOf(webhook: string, dedupeKey: string, changes: Partial<WebhookEventInput> = {}): WebhookEventInput {
  const content = { payloadEnc: Buffer.from(dedupeKey), payloadHash: digest(dedupeKey) }
  return { webhook, eventType: 'result.final.v1', dedupeKey, ...content, ...changes }
}

async function claimOne({ run }: Hospital): Promise<ClaimedEvent> {
  const event = await run((tx) => claimNextEvent(tx, { worker: 'w' }))
  assert.ok(event, 'nothing to claim')
  return event
}

function report(
  hospital: Hospital,
  event: ClaimedEvent,
  result: Omit<EventResult, 'eventId' | 'lockToken' | 'durationMs'>,
) {
  const { id: eventId, lockToken } = event
  return hospital.run((tx) => markEventResult(tx, { eventId, lockToken, durationMs: 5, ...result }))
}

test('enqueueEvent: one event per key; other content, a disabled endpoint and an unknown one are refused', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await addWebhook(hospital, 'lab', 'out')

    const first = await run((tx) => enqueueEvent(tx, eventOf('lab', 'a')))
    const again = await run((tx) => enqueueEvent(tx, eventOf('lab', 'a')))

    assert.deepEqual([first.status, first.created], ['pending', true])
    assert.deepEqual([again.eventId, again.created], [first.eventId, false])
    const other = eventOf('lab', 'a', { payloadHash: digest('other') })
    await assert.rejects(
      run((tx) => enqueueEvent(tx, other)),
      IdempotencyKeyReusedError,
    )
    await assert.rejects(
      run((tx) => enqueueEvent(tx, eventOf('none', 'a'))),
      NotFoundError,
    )
    await run((tx) => tx.query(`update webhook.integration_webhooks set event_types = '{order.placed.v1}'`))
    await assert.rejects(
      run((tx) => enqueueEvent(tx, eventOf('lab', 'b'))),
      isRefusal('IM853'),
    )
    await run((tx) => tx.query(`update webhook.integration_webhooks set status = 'disabled'`))
    await assert.rejects(
      run((tx) => enqueueEvent(tx, eventOf('lab', 'c'))),
      isRefusal('IM852'),
    )
  }))

test('enqueueEvent: a forged inbound event is kept as rejected and does not keep the real one out', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await addWebhook(hospital, 'bank', 'in')

    const forged = await run((tx) => enqueueEvent(tx, eventOf('bank', 'a', { signatureOk: false })))
    const real = await run((tx) => enqueueEvent(tx, eventOf('bank', 'a', { signatureOk: true })))

    assert.deepEqual([forged.status, real.status, real.created], ['rejected', 'pending', true])
    assert.equal((await claimOne(hospital)).id, real.eventId)
  }))

test('claimEvents: of an order key only the oldest, by priority, not before it is due, not of a paused endpoint', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await addWebhook(hospital, 'lab', 'out')
    await addWebhook(hospital, 'paused', 'out')
    await run(async (tx) => {
      await enqueueEvent(tx, eventOf('lab', 'first', { orderKey: 'patient-1' }))
      await enqueueEvent(tx, eventOf('lab', 'second', { orderKey: 'patient-1' }))
      await enqueueEvent(tx, eventOf('lab', 'urgent', { priority: 1 }))
      await enqueueEvent(tx, eventOf('lab', 'later', { dueAt: new Date('2090-01-01') }))
      await enqueueEvent(tx, eventOf('paused', 'paused'))
      await tx.query(`update webhook.integration_webhooks set status = 'paused' where code = 'paused'`)
    })
    const claim = () => run((tx) => claimEvents(tx, { worker: 'w', limit: 10 }))

    const claimed = await claim()
    const nothing = await claim()
    const inbound = await run((tx) => claimNextEvent(tx, { worker: 'w', directions: ['in'] }))
    for (const event of claimed) await report(hospital, event, { outcome: 'success' })
    const rest = await claim()

    const keys = (events: readonly ClaimedEvent[]) => events.map((event) => event.dedupeKey)
    assert.deepEqual([keys(claimed), keys(nothing), inbound, keys(rest)], [['urgent', 'first'], [], null, ['second']])
  }))

test('markEventResult: tries again with growing pauses, then parks the event until it is replayed', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await addWebhook(hospital, 'lab', 'out', 2)
    await run((tx) => enqueueEvent(tx, eventOf('lab', 'a')))
    const pause = async () => {
      const rows = await run((tx) =>
        tx.query<{ seconds: number }>(
          'select extract(epoch from next_attempt_at - updated_at)::float8 as seconds from webhook.webhook_events',
        ),
      )
      return rows[0]?.seconds ?? -1
    }

    const first = await report(hospital, await claimOne(hospital), {
      outcome: 'retryable',
      responseStatus: 503,
      error: 'busy',
    })
    const wait = await pause()
    await hospital.admin.query('update webhook.webhook_events set next_attempt_at = now() where tenant_id = $1', [
      hospital.tenant,
    ])
    const last = await claimOne(hospital)
    const second = await report(hospital, last, { outcome: 'timeout' })

    assert.deepEqual([first, second], ['retry', 'dead'])
    assert.ok(wait >= 0.5 && wait <= 1, `${wait} s is not between half and the whole of 1 s`)
    await assert.rejects(report(hospital, last, { outcome: 'success' }), EventNotProcessingError)
    await run((tx) => replayEvent(tx, last.id))
    const replayed = await claimOne(hospital)
    assert.deepEqual([replayed.id, replayed.attempts], [last.id, 1])
    await assert.rejects(
      run((tx) => replayEvent(tx, last.id)),
      IllegalTransitionError,
    )
  }))

test('markEventResult: a longer Retry-After counts, but for a day at most', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await addWebhook(hospital, 'lab', 'out')
    await run((tx) => enqueueEvent(tx, eventOf('lab', 'a')))

    await report(hospital, await claimOne(hospital), {
      outcome: 'retryable',
      responseStatus: 429,
      retryAfterSeconds: 1_000_000,
    })

    const [row] = await run((tx) =>
      tx.query<object>(`select next_attempt_at - updated_at = '1 day' as is_a_day from webhook.webhook_events`),
    )
    assert.deepEqual(row, { is_a_day: true })
  }))

test('markEventResult: 410 kills the event and disables the endpoint; failures are counted until a success', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await addWebhook(hospital, 'lab', 'out')
    await run((tx) => enqueueEvent(tx, eventOf('lab', 'a')))
    await run((tx) => enqueueEvent(tx, eventOf('lab', 'b')))
    await run((tx) => enqueueEvent(tx, eventOf('lab', 'c')))
    const health = async () =>
      (await run((tx) => tx.query<object>('select status, failure_count, dead from webhook.endpoint_health')))[0]

    await report(hospital, await claimOne(hospital), { outcome: 'permanent', responseStatus: 400 })
    const failing = await health()
    await report(hospital, await claimOne(hospital), { outcome: 'success', responseStatus: 204 })
    const well = await health()
    const gone = await report(hospital, await claimOne(hospital), { outcome: 'retryable', responseStatus: 410 })

    assert.deepEqual(failing, { status: 'active', failure_count: 1, dead: 1 })
    assert.deepEqual(well, { status: 'active', failure_count: 0, dead: 1 })
    assert.equal(gone, 'dead')
    assert.deepEqual(await health(), { status: 'disabled', failure_count: 1, dead: 2 })
  }))

test('markEventResult: the log holds no credentials and only the start of the answer', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await addWebhook(hospital, 'lab', 'out')
    await run((tx) => enqueueEvent(tx, eventOf('lab', 'a')))
    const requestHeaders = {
      Authorization: 'Bearer x',
      'Webhook-Signature': 'v1,x',
      'Content-Type': 'application/json',
    }

    await report(hospital, await claimOne(hospital), {
      outcome: 'success',
      responseExcerpt: 'x'.repeat(3000),
      requestHeaders,
    })

    const rows = await run((tx) =>
      tx.query<object>(
        'select outcome, attempt_no, request_headers, length(response_excerpt) from webhook.webhook_logs',
      ),
    )
    const headers = { 'content-type': 'application/json' }
    assert.deepEqual(rows, [{ outcome: 'success', attempt_no: 1, request_headers: headers, length: 2048 }])
  }))

test('extendLease: a worker that is slow keeps its event', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await addWebhook(hospital, 'lab', 'out')
    await run((tx) => enqueueEvent(tx, eventOf('lab', 'a')))
    const event = await claimOne(hospital)

    const until = await run((tx) => extendLease(tx, event, 600))

    assert.ok(until > event.lockedUntil)
    assert.equal(await run((tx) => releaseExpiredLeases(tx)), 0)
  }))

test('integration_webhooks: an outgoing endpoint is https and carries no password', () =>
  withHospital(async ({ run, tenant }) => {
    const add = (url: string | null) =>
      run((tx) =>
        tx.query(
          `insert into webhook.integration_webhooks (tenant_id, code, direction, url, secret_ref)
          values ($1, 'x', 'out', $2, 'vault://hooks/x')`,
          [tenant, url],
        ),
      )

    for (const url of [null, 'http://lab.example/', 'https://user:pass@lab.example/', 'https://']) {
      await assert.rejects(add(url), CheckViolationError)
    }
    await add('https://lab.example:8443/hook?x=1')
  }))

function isRefusal(sqlstate: string) {
  return (error: unknown) => error instanceof OperationRefusedError && error.sqlstate === sqlstate
}
