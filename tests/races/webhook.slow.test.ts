import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { test } from 'node:test'
import {
  claimEvents,
  claimNextEvent,
  enqueueEvent,
  markEventResult,
  type ClaimedEvent,
  type EventResult,
  type QueuedWebhookEvent,
} from '@imhotep/domain'
import { withTenant, type RequestContext } from '@imhotep/kernel'
import { connect, EventNotProcessingError, LeaseLostError, type Database, type Transaction } from '@imhotep/postgres'
import { hospitalDatabase } from '../support/database.ts'

// The queue of webhooks with real sessions of the application role: what is handled is what was sent, once, in order.

interface Queue {
  readonly app: Database
  readonly admin: Database
  /** Makes a tenant with an endpoint `hook` and returns its id. */
  readonly addTenant: (maxAttempts?: number) => Promise<string>
}

async function withQueue(work: (queue: Queue) => Promise<void>): Promise<void> {
  await using database = await hospitalDatabase()
  const app = connect(database.appUrl, { max: 16 })
  const admin = connect(database.url)
  try {
    await work({ app, admin, addTenant: (maxAttempts = 5) => addTenant(admin, maxAttempts) })
  } finally {
    await app.close()
    await admin.close()
  }
}

async function addTenant(admin: Database, maxAttempts: number): Promise<string> {
  const tenant = randomUUID()
  await withTenant(admin, contextOf(tenant), async (tx) => {
    const code = `t${tenant.slice(0, 8)}`
    await tx.query(`select core.provision_tenant($1, $2, 'Test', 'hospital', 'IN', 'Asia/Kolkata', 'INR')`, [
      tenant,
      code,
    ])
    await tx.query(
      `insert into webhook.integration_webhooks (tenant_id, code, direction, url, secret_ref, max_attempts, backoff)
      values ($1, 'hook', 'out', 'https://hook.example/', 'vault://hooks/hook', $2, '{"base_ms": 1, "factor": 1, "max_ms": 1}')`,
      [tenant, maxAttempts],
    )
  })
  return tenant
}

function contextOf(tenant: string): RequestContext {
  return { tenant, user: null, role: 'system', purpose: 'HOPERAT' }
}

function enqueue(tx: Transaction, dedupeKey: string, orderKey?: string): Promise<QueuedWebhookEvent> {
  return enqueueEvent(tx, {
    webhook: 'hook',
    eventType: 'thing.made.v1',
    dedupeKey,
    payloadEnc: Buffer.from(dedupeKey),
    payloadHash: createHash('sha256').update(dedupeKey).digest(),
    ...(orderKey === undefined ? {} : { orderKey }),
  })
}

/** Claims one event in a transaction of its own and fails when there is none. */
async function claim(app: Database, tenant: string, worker: string, leaseSeconds = 30): Promise<ClaimedEvent> {
  const event = await withTenant(app, contextOf(tenant), (tx) => claimNextEvent(tx, { worker, leaseSeconds }))
  assert.ok(event, 'nothing to claim')
  return event
}

/** Claims until an event can be claimed: for one whose lease has to run out. */
async function claimEventually(app: Database, tenant: string, worker: string): Promise<ClaimedEvent> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const event = await withTenant(app, contextOf(tenant), (tx) => claimNextEvent(tx, { worker }))
    if (event) return event
    await sleep(50)
  }
  throw new Error('the lease never ran out')
}

function report(app: Database, tenant: string, event: ClaimedEvent, outcome: EventResult['outcome'] = 'success') {
  const result = { eventId: event.id, lockToken: event.lockToken, outcome, durationMs: 1 }
  return withTenant(app, contextOf(tenant), (tx) => markEventResult(tx, result))
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

interface Handled {
  readonly tenant: string
  readonly event: ClaimedEvent
}

/**
 * A worker that walks the tenants and takes a bounded batch of each, until `isDone`. Every tenth event fails the first time.
 * Adds what it handled to `handled` before it reports: that is when the receiver has seen it.
 */
async function work(
  queue: Queue,
  worker: string,
  tenants: readonly string[],
  handled: Handled[],
  isDone: () => boolean,
) {
  while (!isDone()) {
    let claimed = 0
    for (const tenant of tenants) {
      const context = contextOf(tenant)
      const events = await withTenant(queue.app, context, (tx) => claimEvents(tx, { worker, limit: 20 }))
      claimed += events.length
      await withTenant(queue.app, context, async (tx) => {
        for (const event of events) {
          const outcome = event.attempts === 1 && event.queueNumber % 10 === 0 ? 'retryable' : 'success'
          await markEventResult(tx, { eventId: event.id, lockToken: event.lockToken, outcome, durationMs: 1 })
        }
      })
      handled.push(
        ...events
          .filter((event) => event.attempts > 1 || event.queueNumber % 10 !== 0)
          .map((event) => ({ tenant, event })),
      )
    }
    if (claimed === 0) await sleep(5)
  }
}

test('webhook: 8 workers handle 2,000 events of 2 tenants once each, in the order of their keys, and fairly', () =>
  withQueue(async (queue) => {
    const [large, small] = [await queue.addTenant(), await queue.addTenant()]
    const counts = new Map([
      [large, 1800],
      [small, 200],
    ])
    for (const [tenant, count] of counts) {
      await withTenant(queue.app, contextOf(tenant), async (tx) => {
        for (let n = 0; n < count; n++) await enqueue(tx, `event-${n}`, n % 2 === 0 ? `key-${n % 40}` : undefined)
      })
    }

    const handled: Handled[] = []
    const workers = Array.from({ length: 8 }, (_, n) =>
      work(queue, `worker-${n}`, [large, small], handled, () => handled.length >= 2000),
    )
    await Promise.all(workers)

    assert.equal(new Set(handled.map(({ event }) => event.id)).size, 2000)
    assert.equal(handled.length, 2000)
    for (const tenant of counts.keys()) {
      for (let key = 0; key < 40; key += 2) {
        const numbers = handled
          .filter((entry) => entry.tenant === tenant && entry.event.orderKey === `key-${key}`)
          .map(({ event }) => event.queueNumber)
        assert.deepEqual(
          numbers,
          numbers.toSorted((a, b) => a - b),
          `key-${key} was handled out of order`,
        )
      }
    }
    const lastOfSmall = handled.findLastIndex(({ tenant }) => tenant === small)
    assert.ok(lastOfSmall < 1200, `the small tenant waited for ${lastOfSmall} of 2,000 events`)
    const log = await queue.admin.query<object>(
      `select outcome, count(*) as rows, count(distinct event_id) as events from webhook.webhook_logs group by 1 order by 1`,
    )
    assert.deepEqual(log, [
      { outcome: 'retryable', rows: 200, events: 200 },
      { outcome: 'success', rows: 2000, events: 2000 },
    ])
  }))

test('webhook: an event whose worker was killed is handled exactly once more, and the dead one is not heard', () =>
  withQueue(async (queue) => {
    const { app, admin } = queue
    const tenant = await queue.addTenant()
    await withTenant(app, contextOf(tenant), (tx) => enqueue(tx, 'a', 'key'))
    await withTenant(app, contextOf(tenant), (tx) => enqueue(tx, 'b', 'key'))

    const lost = await claim(app, tenant, 'killed', 1)
    const taken = await claimEventually(app, tenant, 'heir')
    await assert.rejects(report(app, tenant, lost), LeaseLostError)
    const status = await report(app, tenant, taken)
    await assert.rejects(report(app, tenant, lost), EventNotProcessingError)

    assert.deepEqual([taken.id, taken.attempts, status], [lost.id, 2, 'succeeded'])
    const log = await admin.query<object>(
      'select attempt_no, worker, outcome from webhook.webhook_logs where event_id = $1 order by attempt_no',
      [lost.id],
    )
    assert.deepEqual(log, [
      { attempt_no: 1, worker: 'killed', outcome: 'lost_lock' },
      { attempt_no: 2, worker: 'heir', outcome: 'success' },
    ])
    assert.equal((await claim(app, tenant, 'heir')).dedupeKey, 'b')
  }))

test('webhook: a worker killed before its claim is committed has claimed nothing', () =>
  withQueue(async (queue) => {
    const { app, admin } = queue
    const tenant = await queue.addTenant()
    await withTenant(app, contextOf(tenant), (tx) => enqueue(tx, 'a'))

    const claimAndDie = withTenant(app, contextOf(tenant), async (tx) => {
      await claimNextEvent(tx, { worker: 'killed' })
      const [session] = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
      await admin.query('select pg_terminate_backend($1)', [session?.pid])
      await tx.query('select')
    })
    await assert.rejects(claimAndDie)

    const event = await claim(app, tenant, 'heir')
    assert.equal(event.attempts, 1)
  }))

test('webhook: an event whose last attempt is lost is dead, not lost', () =>
  withQueue(async (queue) => {
    const { app, admin } = queue
    const tenant = await queue.addTenant(1)
    const { eventId } = await withTenant(app, contextOf(tenant), (tx) => enqueue(tx, 'a', 'key'))
    await withTenant(app, contextOf(tenant), (tx) => enqueue(tx, 'b', 'key'))

    await claim(app, tenant, 'killed', 1)
    const next = await claimEventually(app, tenant, 'heir')

    const [lost] = await admin.query<object>('select status, attempts from webhook.webhook_events where id = $1', [
      eventId,
    ])
    assert.deepEqual([lost, next.dedupeKey], [{ status: 'dead', attempts: 1 }, 'b'])
  }))

test('webhook: a wrong token is refused, and of two reports of one attempt the first counts', () =>
  withQueue(async (queue) => {
    const { app } = queue
    const tenant = await queue.addTenant()
    await withTenant(app, contextOf(tenant), (tx) => enqueue(tx, 'a'))
    const event = await claim(app, tenant, 'worker')

    await assert.rejects(report(app, tenant, { ...event, lockToken: randomUUID() }), LeaseLostError)
    const reports = await Promise.allSettled(Array.from({ length: 8 }, () => report(app, tenant, event)))

    const refusals = reports.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
    assert.equal(refusals.length, 7)
    assert.ok(refusals.every((error) => error instanceof EventNotProcessingError))
  }))

test('webhook: 40 senders of one event make one event', () =>
  withQueue(async (queue) => {
    const { app } = queue
    const tenant = await queue.addTenant()

    const queued = await Promise.all(
      Array.from({ length: 40 }, () => withTenant(app, contextOf(tenant), (tx) => enqueue(tx, 'a'))),
    )

    assert.equal(queued.filter((event) => event.created).length, 1)
    assert.equal(new Set(queued.map((event) => event.eventId)).size, 1)
  }))

test('webhook: an event that commits late is not overtaken by a later one of its key', () =>
  withQueue(async (queue) => {
    const { app } = queue
    const tenant = await queue.addTenant()
    const handled: ClaimedEvent[] = []
    let isSending = true

    const handling = (async () => {
      for (;;) {
        const wasSending = isSending
        const event = await withTenant(app, contextOf(tenant), (tx) => claimNextEvent(tx, { worker: 'worker' }))
        if (event) {
          handled.push(event)
          await report(app, tenant, event)
        } else if (!wasSending) return
      }
    })()
    const sending = Array.from({ length: 8 }, async (_, sender) => {
      for (let n = 0; n < 25; n++) {
        await withTenant(app, contextOf(tenant), async (tx) => {
          await enqueue(tx, `${sender}-${n}`, 'key')
          // Between insert and commit is where numbers and commits could change places.
          if ((sender + n) % 3 === 0) await tx.query('select pg_sleep(0.003)')
        })
      }
    })
    await Promise.all(sending)
    isSending = false
    await handling

    const numbers = handled.map((event) => event.queueNumber)
    assert.equal(numbers.length, 200)
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    )
  }))

test('webhook: a worker sees the events of its tenant only', () =>
  withQueue(async (queue) => {
    const { app } = queue
    const [mine, other] = [await queue.addTenant(), await queue.addTenant()]
    await withTenant(app, contextOf(other), (tx) => enqueue(tx, 'a'))
    const event = await claim(app, other, 'worker')

    const nothing = await withTenant(app, contextOf(mine), (tx) => claimNextEvent(tx, { worker: 'worker' }))

    assert.equal(nothing, null)
    await assert.rejects(report(app, mine, event), (error: Error) => 'sqlstate' in error && error.sqlstate === 'IM005')
  }))
