import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import type { PublishedTable } from '@imhotep/engine'
import { withTenant, type RequestContext } from '@imhotep/kernel'
import { CheckViolationError, connect, type Database, type Transaction } from '@imhotep/postgres'
import fc from 'fast-check'
import { addClinic } from '../../../../tests/services/rows.fixture.ts'
import { serviceDatabase, type ServiceDatabase } from '../../../../tests/services/service-databases.fixture.ts'
import { contextOf, makeTenant } from '../../../../tests/support/tenants.ts'
import { RelayRoleError } from '../errors.ts'
import { applyEvents, type EntityEvent } from './entity-events.ts'
import { Listener } from './listener.ts'

const clinics: PublishedTable = {
  table: 'facility.clinics',
  owner: 'facility',
  columns: ['code', 'name'],
  fill: `select t.tenant_id, 'facility.clinics' as entity_type, t.id as entity_id,
                case when t.deleted_at is null then 'active' else 'deleted' end as lifecycle,
                jsonb_build_object('code', t.code, 'name', t.name) as attrs, 'facility' as source_service, 0::bigint as source_version
           from facility.clinics t where t.tenant_id is not null`,
}

describe('a service that listens to another one', () => {
  const { signal } = new AbortController()
  let facility: ServiceDatabase
  let lab: ServiceDatabase
  let context: RequestContext
  let listener: Listener

  before(async () => {
    facility = await serviceDatabase('facility')
    lab = await serviceDatabase('lab')
    context = await tenantOfBoth()
    listener = listening()
  })
  after(async () => {
    await facility[Symbol.asyncDispose]()
    await lab[Symbol.asyncDispose]()
  })

  async function tenantOfBoth(): Promise<RequestContext> {
    const tenant = await makeTenant(facility.db)
    await makeTenant(lab.db, tenant)
    return contextOf(tenant)
  }

  /** Another process, which knows what the database remembers and no more. */
  function listening(keeps = [clinics], owner: Database = facility.db): Listener {
    return new Listener({ name: 'lab', db: lab.db }, { name: 'facility', db: owner }, keeps, (work) => work())
  }

  const inFacility = <T>(work: (tx: Transaction) => Promise<T>, who = context) => withTenant(facility.db, who, work)

  const rename = (id: string, name: string) => (tx: Transaction) =>
    tx.query('update facility.clinics set name = $2 where id = $1', [id, name])

  /** `name lifecycle` as lab knows it; null for a clinic that it does not know. */
  async function known(id: string): Promise<string | null> {
    const [row] = await lab.db.query<{ text: string }>(
      `select concat_ws(' ', attrs ->> 'name', lifecycle) as text from core.entity_refs where entity_id = $1`,
      [id],
    )
    return row?.text ?? null
  }

  test('hears of new, changed and deleted rows, and of each change once', async () => {
    const id = await inFacility((tx) => addClinic(tx, 'East'))
    await listener.hear(signal)
    const first = await known(id)
    await inFacility(rename(id, 'West'))
    const changed = await listener.hear(signal)
    const second = await known(id)
    const again = await listener.hear(signal)
    await inFacility((tx) => tx.query('update facility.clinics set deleted_at = now() where id = $1', [id]))
    await listener.hear(signal)

    assert.deepEqual([first, second, await known(id)], ['East active', 'West active', 'West deleted'])
    assert.deepEqual([changed, again], [1, 0])
  })

  test('hears what was told before it listened first, and rows that no event told of', async () => {
    await lab.db.query('drop schema if exists imhotep_relay cascade')
    const told = await inFacility((tx) => addClinic(tx, 'Told'))
    const loader = await facility.db.dedicated()
    await loader.query('set session_replication_role = replica')
    const loaded = await inTenantOf(loader, (tx) => addClinic(tx, 'Loaded'))
    await loader.release()

    await listening().hear(signal)

    assert.deepEqual([await known(told), await known(loaded)], ['Told active', 'Loaded active'])
  })

  async function inTenantOf<T>(tx: Transaction, work: (tx: Transaction) => Promise<T>): Promise<T> {
    await tx.query(`select set_config('app.tenant_id', $1, false)`, [context.tenant])
    return work(tx)
  }

  test('an event is heard when it commits, behind as many younger ones as may be', async () => {
    await listener.hear(signal)
    let slow = ''
    let quick = ''
    const before = await inFacility(async (tx) => {
      slow = await addClinic(tx, 'Slow')
      quick = await inFacility(addClinicWithEvents)
      await listener.hear(signal)
      return [await known(slow), await known(quick)]
    })
    await listener.hear(signal)

    assert.deepEqual(before, [null, 'n3000 active'])
    assert.deepEqual([await known(slow), await known(quick)], ['Slow active', 'n3000 active'])
  })

  /** More events of one transaction than are read at a time. */
  async function addClinicWithEvents(tx: Transaction): Promise<string> {
    const clinic = await addClinic(tx, 'first')
    await tx.query(
      `select core.enqueue('facility.clinics', $1, 'clinics.updated.v1',
                           jsonb_build_object('lifecycle', 'active', 'attrs', jsonb_build_object('name', 'n' || n)))
         from generate_series(1, 3000) n`,
      [clinic],
    )
    return clinic
  }

  test('rows of a tenant that this service does not have are not kept; they are when it gets it', async () => {
    const tenant = await makeTenant(facility.db)
    const id = await inFacility((tx) => addClinic(tx, 'Elsewhere'), contextOf(tenant))
    await listener.hear(signal)
    const before = await known(id)

    await makeTenant(lab.db, tenant)
    await listening().hear(signal)

    assert.deepEqual([before, await known(id)], [null, 'Elsewhere active'])
  })

  test('who was away for longer than events are kept looks at everything', async () => {
    const id = await inFacility((tx) => addClinic(tx, 'Before'))
    await listener.hear(signal)
    await inFacility(rename(id, 'Meanwhile'))
    await facility.db.query('delete from core.outbox_events where aggregate_id = $1', [id])

    await listening().hear(signal)
    const soon = await known(id)
    await lab.db.query(`update imhotep_relay.heard set heard_at = now() - interval '8 days'`)
    await listening().hear(signal)

    assert.deepEqual([soon, await known(id)], ['Before active', 'Meanwhile active'])
  })

  test('another database in the place of the owner, or more that is kept, makes it look at everything', async () => {
    const id = await inFacility((tx) => addClinic(tx, 'Here'))
    await listener.hear(signal)
    const elsewhere = await serviceDatabase('facility')
    await makeTenant(elsewhere.db, context.tenant)

    await listening([clinics], elsewhere.db).hear(signal)
    const gone = await known(id)
    await listening([clinics]).hear(signal)
    const back = await known(id)
    const more = { ...clinics, fill: clinics.fill.replace(`'name', t.name`, `'name', t.name || ', ' || t.kind`) }
    await listening([more]).hear(signal)

    await elsewhere[Symbol.asyncDispose]()
    assert.deepEqual([gone, back, await known(id)], ['deleted', 'Here active', 'Here, clinic active'])
  })

  test('another database that answers after an error is looked at', async () => {
    const id = await inFacility((tx) => addClinic(tx, 'Gone'))
    const elsewhere = await serviceDatabase('facility')
    await makeTenant(elsewhere.db, context.tenant)
    const closed = connect(facility.url.replace(/[^/]*$/, 'nobody'))
    const databases = [facility.db, closed, elsewhere.db]
    const owner = { name: 'facility', db: facility.db }
    const moved = new Listener({ name: 'lab', db: lab.db }, owner, [clinics], (work) => work())

    const heard: (string | null)[] = []
    for (const db of databases) {
      owner.db = db
      await moved.hear(signal).catch((error: Error) => heard.push(error.message))
      heard.push(await known(id))
    }

    await closed.close()
    await elsewhere[Symbol.asyncDispose]()
    assert.deepEqual(heard, ['Gone active', 'database "nobody" does not exist', 'Gone active', 'deleted'])
  })

  test('what cannot be kept is heard again', async () => {
    await listener.hear(signal)
    const id = await inFacility((tx) => addClinic(tx, 'Late'))
    await lab.db.query(`alter table core.entity_refs add constraint closed check (attrs ->> 'name' <> 'Late')`)
    await assert.rejects(listener.hear(signal), CheckViolationError)
    await lab.db.query('alter table core.entity_refs drop constraint closed')

    await listener.hear(signal)

    assert.equal(await known(id), 'Late active')
  })

  test('a role from which policies hide rows is refused', async () => {
    const role = `relay_${randomUUID().slice(0, 8)}`
    await facility.db.query(`create role ${role} login bypassrls password 'relay' in role facility_app`)
    const limited = new URL(facility.url)
    limited.username = role
    limited.password = 'relay'
    const owner = connect(limited.href)

    await assert.rejects(listening([clinics], owner).hear(signal), RelayRoleError)

    await owner.close()
    await facility.db.query(`drop role ${role}`)
  })

  test('two that listen for the same service at the same time do no harm', async () => {
    const ids = await Promise.all([1, 2, 3].map((n) => inFacility((tx) => addClinic(tx, `Clinic ${n}`))))
    const other = listening()

    await Promise.all([listener.hear(signal), other.hear(signal)])

    assert.deepEqual(await Promise.all(ids.map(known)), ['Clinic 1 active', 'Clinic 2 active', 'Clinic 3 active'])
  })

  test('many events at once do what core.apply_entity_event does with one after the other', async () => {
    const change = fc.record({ row: fc.nat(3), seq: fc.integer({ min: 1, max: 20 }) })
    const property = fc.asyncProperty(
      fc.array(fc.array(change, { maxLength: 6 }), { maxLength: 4 }),
      async (batches) => {
        const [one, many] = [await rowsOf(batches, applyOne), await rowsOf(batches, applyMany)]
        assert.deepEqual(many, one)
      },
    )
    await fc.assert(property, { numRuns: 40 })
  })

  type Apply = (tx: Transaction, events: readonly EntityEvent[]) => Promise<unknown>

  const applyMany: Apply = (tx, events) => applyEvents(tx, 'facility', events)
  const applyOne: Apply = async (tx, events) => {
    for (const { table, row, seq, payload } of events) {
      await tx.query('select core.apply_entity_event($1, $2, $3, $4, $5::text::jsonb)', [
        'facility',
        table,
        row,
        seq,
        payload,
      ])
    }
  }

  /** What a new tenant knows after these events. */
  async function rowsOf(batches: readonly { row: number; seq: number }[][], apply: Apply) {
    const tenant = await makeTenant(lab.db)
    for (const batch of batches) {
      const events = batch.map(({ row, seq }) => ({
        tenant,
        table: 'facility.clinics',
        row: `00000000-0000-4000-8000-00000000000${row}`,
        txid: '0',
        seq: String(seq),
        payload: JSON.stringify({ lifecycle: ['active', 'inactive', 'deleted'][seq % 3], attrs: { seq } }),
      }))
      await withTenant(lab.db, contextOf(tenant), (tx) => apply(tx, events))
    }
    return lab.db.query(
      `select entity_id, lifecycle, attrs, source_service, source_version from core.entity_refs where tenant_id = $1 order by 1`,
      [tenant],
    )
  }
})
