import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { runOn } from '../../../../tests/support/logical-server.ts'
import type { State } from '../ledger/states.ts'
import type { KeptTable, ServicePlan } from '../plan/split-plan.ts'
import { Projections } from './projections.ts'

const ownersTable = `
  create schema staff;
  create table staff.people (
    tenant_id uuid, id uuid not null default gen_random_uuid() unique, status text not null default 'on', note text, deleted_at timestamptz
  )`

const readersTables = `
  create schema core;
  create table core.entity_refs (
    tenant_id uuid, entity_type text, entity_id uuid, lifecycle text, attrs jsonb, source_service text,
    source_version bigint, row_version int default 1, refreshed_at timestamptz, updated_at timestamptz,
    unique (tenant_id, entity_type, entity_id)
  )`

const kept: KeptTable = {
  table: 'staff.people',
  owner: 'workforce',
  columns: ['status', 'deleted_at'],
  fill: `select t.tenant_id, 'staff.people' as entity_type, t.id as entity_id,
                case when t.deleted_at is null then 'active' else 'deleted' end as lifecycle,
                jsonb_build_object('status', t.status) as attrs, 'workforce' as source_service, 0::bigint as source_version
           from staff.people t where t.tenant_id is not null`,
}

const tenant = randomUUID()

/** A shared database, and those of a service that owns people and of one that keeps their states. */
async function threeDatabases() {
  const all = await Promise.all([emptyDatabase('shared'), emptyDatabase('workforce'), emptyDatabase('lab')])
  const [shared, own, lab] = all
  await runOn(shared.url, ownersTable)
  await runOn(own.url, ownersTable)
  await runOn(lab.url, readersTables)
  const pools = new Map(all.map(({ url }) => [url, connect(url, { max: 3 })]))
  const pool = (url: string) => pools.get(url) as Database
  const service = (name: string, url: string, keeps: readonly KeptTable[]) =>
    ({ name, database: url, keeps }) as unknown as ServicePlan
  const reader = service('lab', lab.url, [kept])
  const owner = service('workforce', own.url, [])
  const states = new Map<string, State>([['lab', 'reversible']])
  const projections = new Projections({
    services: [owner, reader],
    sharedUrl: shared.url,
    urlOf: (url) => url,
    poolOf: pool,
    states: async () => {
      await three.atStates()
      return new Map(states)
    },
  })
  const three = {
    atStates: async () => {},
    shared: pool(shared.url),
    own: pool(own.url),
    lab: pool(lab.url),
    owner,
    reader,
    states,
    projections,
    async [Symbol.asyncDispose]() {
      await Promise.all([...pools.values()].map((db) => db.close()))
      await Promise.all(all.map((database) => database.drop()))
    },
  }
  return three
}

async function hire(db: Database, more = {}): Promise<string> {
  const row = { tenant_id: tenant, status: 'on', deleted_at: null, ...more }
  const [{ id } = { id: '' }] = await db.query<{ id: string }>(
    'insert into staff.people (tenant_id, status, deleted_at) values ($1, $2, $3) returning id',
    [row.tenant_id, row.status, row.deleted_at],
  )
  return id
}

/** `id` -> `lifecycle status`, as the reader keeps it. */
async function keptOf(db: Database): Promise<Record<string, string>> {
  const rows = await db.query<{ id: string; text: string }>(
    `select entity_id as id, concat_ws(' ', lifecycle, attrs ->> 'status') as text from core.entity_refs`,
  )
  return Object.fromEntries(rows.map(({ id, text }) => [id, text]))
}

test('Projections: tells what is new, changed, deleted and gone, and nothing twice', async () => {
  await using three = await threeDatabases()
  const { shared, lab, projections } = three
  const before = await hire(shared)

  const first = await projections.tell()
  const added = await hire(shared)
  const left = await hire(shared)
  const gone = await hire(shared)
  await hire(shared, { tenant_id: null })
  const second = await projections.tell()
  await shared.query(`update staff.people set status = 'off' where id = $1`, [before])
  await shared.query('update staff.people set deleted_at = now() where id = $1', [left])
  await shared.query('delete from staff.people where id = $1', [gone])
  await shared.query(`update staff.people set note = 'nobody keeps it'`)
  const third = await projections.tell()
  const fourth = await projections.tell()

  assert.deepEqual([first, second, third, fourth], [1, 3, 3, 0])
  assert.deepEqual(await keptOf(lab), {
    [before]: 'active off',
    [added]: 'active on',
    [left]: 'deleted on',
    [gone]: 'deleted',
  })
})

test('Projections: what is changed while others are told is told as well', async () => {
  await using three = await threeDatabases()
  const { shared, lab, projections } = three
  await projections.tell()
  const first = await hire(shared)
  let second = ''
  let asked = 0
  three.atStates = async () => {
    asked++
    // first for where everybody is, then when the first row has been read and nothing is forgotten yet
    if (asked === 2) second = await hire(shared)
  }

  await projections.tell()
  await projections.tell()

  assert.deepEqual(await keptOf(lab), { [first]: 'active on', [second]: 'active on' })
})

test('Projections: telling ends where somebody writes all the time', async () => {
  await using three = await threeDatabases()
  const { shared, lab, projections } = three
  await projections.tell()
  const people = [await hire(shared)]
  three.atStates = async () => {
    if (people.length < 20) people.push(await hire(shared))
  }

  await projections.tell()

  const told = Object.keys(await keptOf(lab))
  assert.ok(told.includes(people[0] as string))
  assert.ok(people.length < 20, `${people.length} people were hired before it ended`)
})

test('Projections: a service whose tables are made meanwhile is told what is forgotten behind it', async () => {
  await using three = await threeDatabases()
  const { shared, lab, states, projections } = three
  await projections.tell()
  states.set('lab', 'cleared')
  const id = await hire(shared)
  let asked = 0
  three.atStates = async () => {
    asked++
    if (asked === 2) states.set('lab', 'provisioned')
  }

  await projections.tell()

  assert.deepEqual(await keptOf(lab), { [id]: 'active on' })
})

test('Projections: what a transaction wrote that was open all the while is told when it is committed', async () => {
  await using three = await threeDatabases()
  const { shared, lab, projections } = three
  await projections.tell()

  const long = await shared.dedicated()
  await long.script('begin')
  await long.query('insert into staff.people (tenant_id) values ($1)', [tenant])
  const later = await hire(shared)
  await projections.tell()
  const meanwhile = await keptOf(lab)
  await long.script('commit')
  await long.release()
  const rows = await projections.tell()

  assert.deepEqual(meanwhile, { [later]: 'active on' })
  assert.equal(rows, 1)
})

test('Projections: an owner that has moved is listened to in its own database, and after its return in both', async () => {
  await using three = await threeDatabases()
  const { shared, own, lab, states, owner, projections } = three
  await projections.tell()
  await projections.watchOwn(owner)
  states.set('workforce', 'reversible')

  const there = await hire(own)
  await projections.tell()
  const moved = await keptOf(lab)
  await own.query(`update staff.people set status = 'off'`)
  await shared.query(`insert into staff.people (tenant_id, id, status) values ($1, $2, 'off')`, [tenant, there])
  states.set('workforce', 'reverted')
  const back = await hire(shared)
  await projections.tell()

  assert.deepEqual(moved, { [there]: 'active on' })
  assert.deepEqual(await keptOf(lab), { [there]: 'active off', [back]: 'active on' })
})

test('Projections: when nobody asked for a week changes are not remembered, and everything is looked at again', async () => {
  await using three = await threeDatabases()
  const { shared, lab, projections } = three
  await projections.tell()
  await shared.query(`select setval('imhotep_split.remembered_until', 1)`)

  const missed = await hire(shared)
  const [{ remembered } = { remembered: -1 }] = await shared.query<{ remembered: number }>(
    'select count(*)::int as remembered from imhotep_split.changed_rows',
  )
  await projections.tell()
  const next = await hire(shared)
  await projections.tell()

  assert.equal(remembered, 0)
  assert.deepEqual(await keptOf(lab), { [missed]: 'active on', [next]: 'active on' })
})

test('Projections: what events told counts no more when their owner is back in the shared database', async () => {
  await using three = await threeDatabases()
  const { shared, own, lab, states, owner, projections } = three
  await projections.watchOwn(owner)
  states.set('workforce', 'reversible')
  const id = await hire(own)
  await projections.tell()
  await lab.query(`update core.entity_refs set source_version = 7, lifecycle = 'inactive'`)
  await shared.query(`insert into staff.people (tenant_id, id, status) values ($1, $2, 'off')`, [tenant, id])
  states.set('workforce', 'reverted')

  await projections.returned('workforce')
  const back = await keptOf(lab)
  await shared.query(`update staff.people set status = 'on'`)
  await projections.tell()

  assert.deepEqual(back, { [id]: 'active off' })
  assert.deepEqual(await keptOf(lab), { [id]: 'active on' })
})

test('Projections: a transaction whose snapshot is older than the watch is heard as well', async () => {
  await using three = await threeDatabases()
  const { shared, lab, projections } = three
  for (const isWatched of [false, true]) {
    if (isWatched) await shared.query(`select setval('imhotep_split.remembered_until', 1)`)
    const old = await shared.dedicated()
    await old.script('begin isolation level repeatable read; select 1 from staff.people')
    await projections.tell()
    const [row] = await old.query<{ id: string }>('insert into staff.people (tenant_id) values ($1) returning id', [
      tenant,
    ])
    await old.script('commit')
    await old.release()

    await projections.tell()

    assert.equal((await keptOf(lab))[row?.id as string], 'active on', `watched before: ${isWatched}`)
  }
})

test('Projections: a service whose database is dropped meanwhile is not told, another failure is', async () => {
  await using three = await threeDatabases()
  const { shared, lab, states, projections } = three
  await projections.tell()
  await hire(shared)
  await lab.query('drop table core.entity_refs')

  await assert.rejects(projections.tell(), { sqlstate: '42P01' })
  let asked = 0
  three.atStates = async () => {
    asked++
    if (asked === 3) states.set('lab', 'cancelled')
  }

  assert.equal(await projections.tell(), 0)
})

test('Projections: what an event has told stays, and rows that are as they were are not even locked', async () => {
  await using three = await threeDatabases()
  const { shared, lab, reader, projections } = three
  const told = await hire(shared)
  const quiet = await hire(shared)
  await projections.fill(reader)
  await lab.query(`update core.entity_refs set source_version = 1, lifecycle = 'inactive' where entity_id = $1`, [told])
  const versions = () =>
    lab.query('select entity_id, xmin::text, xmax::text, ctid::text from core.entity_refs order by 1')
  const before = await versions()

  await projections.fill(reader)
  await shared.query(`update staff.people set status = 'off' where id = $1`, [told])
  await projections.tell()

  assert.deepEqual(await versions(), before)
  assert.deepEqual(await keptOf(lab), { [told]: 'inactive on', [quiet]: 'active on' })
})

test('Projections: at the end the shared database has no trigger of it left', async () => {
  await using three = await threeDatabases()
  const { shared, projections } = three
  await projections.tell()
  const triggers = () => shared.query(`select tgname from pg_trigger where tgname ~ '^imhotep_split'`)
  const during = await triggers()

  await projections.end()
  await projections.end()

  assert.equal(during.length, 2)
  assert.deepEqual(await triggers(), [])
  await hire(shared)
})

test('Projections: a stop leaves no trigger in the databases of services, refuses before all have left, and can be taken back', async () => {
  await using three = await threeDatabases()
  const { own, lab, owner, projections, states } = three
  const left = () =>
    own.query(`select from pg_trigger where tgname like 'imhotep%' union all
               select from pg_class where relname in ('changed_rows', 'remembered_until')`)
  states.set('workforce', 'reversible')
  await projections.watchOwn(owner)
  await hire(own)
  assert.ok((await left()).length > 2)

  await assert.rejects(projections.stop(), { code: 'IMH_SPLIT_WRONG_STATE' })
  for (const service of ['workforce', 'lab']) states.set(service, 'retired')
  await projections.stop()
  await projections.stop()

  assert.deepEqual(await left(), [])
  const hired = await hire(own)
  await projections.tell()
  assert.equal((await keptOf(lab))[hired], 'active on')
  assert.ok((await left()).length > 2)
})
