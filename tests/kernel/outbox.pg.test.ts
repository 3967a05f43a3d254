import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import { connect, type Database } from '@imhotep/postgres'
import { hospitalDatabase, type TestDatabase } from '../support/database.ts'
import { contextOf, makeTenant } from '../support/tenants.ts'

interface Claimed {
  readonly id: string
  readonly aggregate_id: string
  readonly aggregate_seq: number
  readonly lock_token: string
}

let database: TestDatabase
let superuser: Database
let app: Database

before(async () => {
  database = await hospitalDatabase()
  superuser = connect(database.url)
  app = connect(database.appUrl, { max: 20 })
})
after(async () => {
  await app.close()
  await superuser.close()
  await database.drop()
})

test('outbox: 8 relays publish 400 events of 40 aggregates once each and in the order of each aggregate', async () => {
  const tenant = await makeTenant(superuser)
  const aggregates = Array.from({ length: 40 }, () => randomUUID())
  for (let round = 0; round < 10; round++) await enqueue(tenant, aggregates)
  const published: Claimed[] = []

  await Promise.all(Array.from({ length: 8 }, (_, worker) => relay(tenant, `relay-${worker}`, published)))

  assert.equal(published.length, 400)
  assert.equal(new Set(published.map((event) => event.id)).size, 400)
  for (const aggregate of aggregates) {
    const order = published.filter((event) => event.aggregate_id === aggregate).map((event) => event.aggregate_seq)
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
    )
  }
})

test('outbox: a lease that ran out goes to another relay, and the first one may not report (IM850)', async () => {
  const tenant = await makeTenant(superuser)
  await enqueue(tenant, [randomUUID()])

  const [first] = await claim(tenant, 'slow', '0 seconds')
  const [second] = await claim(tenant, 'quick', '30 seconds')

  assert.ok(first && second)
  assert.equal(second.id, first.id)
  await assert.rejects(publish(tenant, [first]), { sqlstate: 'IM850' })
  await publish(tenant, [second])
})

test('outbox: an event that fails too often is parked, holds back its aggregate, and can be replayed', async () => {
  const tenant = await makeTenant(superuser)
  const aggregate = randomUUID()
  await enqueue(tenant, [aggregate])
  await enqueue(tenant, [aggregate])
  const [event] = await claim(tenant, 'relay', '30 seconds')
  assert.ok(event)

  const [failed] = await withTenant(app, contextOf(tenant), (tx) =>
    tx.query<{ status: string }>(`select core.mark_failed($1, $2, 'refused', 1) as status`, [
      event.id,
      event.lock_token,
    ]),
  )
  const heldBack = await claim(tenant, 'relay', '30 seconds')
  await withTenant(app, contextOf(tenant), (tx) => tx.query('select core.replay_event($1)', [event.id]))
  const replayed = await claim(tenant, 'relay', '30 seconds')

  assert.equal(failed?.status, 'dead')
  assert.deepEqual(heldBack, [])
  assert.deepEqual(
    replayed.map((again) => again.id),
    [event.id],
  )
})

test('outbox: an event is never seen by another tenant', async () => {
  const tenant = await makeTenant(superuser)
  await enqueue(tenant, [randomUUID()])

  const seen = await claim(await makeTenant(superuser), 'spy', '30 seconds')

  assert.deepEqual(seen, [])
})

function enqueue(tenant: string, aggregates: string[]): Promise<unknown> {
  return withTenant(app, contextOf(tenant), async (tx) => {
    for (const aggregate of aggregates)
      await tx.query(`select core.enqueue('test', $1, 'test.made.v1', '{}')`, [aggregate])
  })
}

function claim(tenant: string, worker: string, lease: string): Promise<Claimed[]> {
  return withTenant(app, contextOf(tenant), (tx) =>
    tx.query<Claimed>(
      'select id, aggregate_id, aggregate_seq, lock_token from core.claim_outbox($1, 25, $2::interval)',
      [worker, lease],
    ),
  )
}

function publish(tenant: string, events: Claimed[]): Promise<unknown> {
  return withTenant(app, contextOf(tenant), (tx) =>
    tx.query('select core.mark_published($1::uuid[], $2)', [events.map((event) => event.id), events[0]?.lock_token]),
  )
}

async function relay(tenant: string, worker: string, published: Claimed[]): Promise<void> {
  while (published.length < 400) {
    const events = await claim(tenant, worker, '30 seconds')
    // noted before it is marked: afterwards the next event of the aggregate may already be under way elsewhere
    published.push(...events.toSorted((a, b) => a.aggregate_seq - b.aggregate_seq))
    if (events.length > 0) await publish(tenant, events)
  }
}
