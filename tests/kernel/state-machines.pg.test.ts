import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import { connect, type Database, type Transaction } from '@imhotep/postgres'
import { hospitalDatabase, type TestDatabase } from '../support/database.ts'
import { contextOf, makeTenant } from '../support/tenants.ts'

let database: TestDatabase
let superuser: Database
let tenant: string

before(async () => {
  database = await hospitalDatabase()
  superuser = connect(database.url)
  tenant = await makeTenant(superuser)
  await superuser.query(`
    create table core.machines (
      tenant_id uuid not null, id uuid not null default core.uuid_v7(), status text, primary key (tenant_id, id))`)
  await superuser.query(`
    create trigger machines_transition before insert or update of status on core.machines
    for each row execute function core.enforce_transition('core.machines', 'status')`)
  await superuser.query(`
    insert into core.transition_rules (machine, from_state, to_state, requires_reason, allowed_roles, emits_event) values
    ('core.machines', '', 'new', false, null, null),
    ('core.machines', 'new', 'done', false, null, 'machine.done.v1'),
    ('core.machines', 'new', 'cancelled', true, null, null),
    ('core.machines', 'done', 'reopened', false, '{admin}', null)`)
})
after(async () => {
  await superuser.close()
  await database.drop()
})

test('enforce_transition: refuses a wrong first state and an illegal move (IM001)', async () => {
  await assert.rejects(
    inTenant((tx) => insert(tx, 'done')),
    { sqlstate: 'IM001' },
  )
  await assert.rejects(
    inTenant(async (tx) => move(tx, await insert(tx, 'new'), 'reopened')),
    { sqlstate: 'IM001' },
  )
})

test('enforce_transition: asks for a reason (IM002) and a role (IM006) where the rule does', async () => {
  await assert.rejects(
    inTenant(async (tx) => move(tx, await insert(tx, 'new'), 'cancelled')),
    { sqlstate: 'IM002' },
  )
  await inTenant(async (tx) => {
    const id = await insert(tx, 'new')
    await tx.query(`select core.set_reason('asked for by the patient')`)
    await move(tx, id, 'cancelled')
  })
  const reopen = async (tx: Transaction) => {
    const id = await insert(tx, 'new')
    await move(tx, id, 'done')
    await move(tx, id, 'reopened')
  }
  await assert.rejects(inTenant(reopen), { sqlstate: 'IM006' })
  await inTenant(reopen, 'admin')
})

test('enforce_transition: writes the event of the rule, and none for a state that stays', async () => {
  const id = await inTenant(async (tx) => {
    const row = await insert(tx, 'new')
    await move(tx, row, 'done')
    await move(tx, row, 'done')
    return row
  })

  const events = await superuser.query('select event_type, payload from core.outbox_events where aggregate_id = $1', [
    id,
  ])
  assert.deepEqual(events, [{ event_type: 'machine.done.v1', payload: { id, from: 'new', to: 'done' } }])
})

function inTenant<T>(work: (tx: Transaction) => Promise<T>, role = 'doctor'): Promise<T> {
  return withTenant(superuser, contextOf(tenant, { role }), work)
}

async function insert(tx: Transaction, status: string): Promise<string> {
  const [row] = await tx.query<{ id: string }>(
    'insert into core.machines (tenant_id, status) values ($1, $2) returning id',
    [tenant, status],
  )
  assert.ok(row)
  return row.id
}

async function move(tx: Transaction, id: string, status: string): Promise<void> {
  await tx.query('update core.machines set status = $1 where id = $2', [status, id])
}
