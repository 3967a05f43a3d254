import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '@imhotep/postgres'
import { logicalDatabase } from '../../../../tests/support/logical-server.ts'
import { WritersBusyError } from './errors.ts'
import { openPostgresSide } from './open-postgres-side.ts'
import { withSession } from './session.ts'
import { createSlot } from './slot.ts'
import { openSnapshot } from './snapshot.ts'
import { movedTables } from './two-databases.fixture.ts'

test('createSlot: names who has not ended, leaves nothing, and succeeds when they have', async () => {
  await using shared = await logicalDatabase('slots')
  const db = connect(shared.url)
  const slots = () => db.query('select from pg_replication_slots where slot_name = $1', [shared.name])
  await db.query('create table visits (id int)')
  const client = await db.dedicated()
  await client.script('begin; insert into visits values (1)')
  const [{ pid } = { pid: 0 }] = await client.query<{ pid: number }>('select pg_backend_pid() as pid')

  await withSession(shared.url, async (session) => {
    await assert.rejects(createSlot(session, shared.name, 1), (error: unknown) => {
      assert.ok(error instanceof WritersBusyError)
      assert.match(
        error.message,
        new RegExp(`^pid ${pid} \\(\\w+ in ${shared.name}, since [0-9:]+\\) has not ended within 1 s$`),
      )
      return true
    })
    assert.equal((await slots()).length, 0)
    await client.script('commit; begin; insert into visits values (2)')
    await client.script(`prepare transaction '${shared.name}'`)
    await assert.rejects(createSlot(session, shared.name, 1), new RegExp(`prepared transaction ${shared.name}`))
    await client.script(`rollback prepared '${shared.name}'`)

    assert.match(await createSlot(session, shared.name, 1), /^[0-9A-F]+\/[0-9A-F]+$/)

    assert.deepEqual(await session.query('show statement_timeout'), [{ statement_timeout: '0' }])
  })
  await client.release()
  await db.close()
})

test('exact snapshot: when a transaction does not end, its slot does not outlive the attempt', async () => {
  await using shared = await logicalDatabase('slots')
  const db = connect(shared.url)
  await db.query('create table visits (id int)')
  const client = await db.dedicated()
  await client.script('begin; insert into visits values (1)')

  await assert.rejects(openSnapshot(shared.url, [], { end: 'source', origin: 'postgres', exact: true, seconds: 1 }), {
    code: 'IMH_SPLIT_LONG_TRANSACTION',
  })

  const left = () => db.query('select from pg_replication_slots where database = $1', [shared.name])
  for (let n = 0; n < 50 && (await left()).length > 0; n++) await sleep(100)
  assert.deepEqual(await left(), [])
  await client.script('rollback')
  await client.release()
  await db.close()
})

test('openLog: what an earlier one that was killed left to wait on the server is ended', async () => {
  await using shared = await logicalDatabase('slots')
  const db = connect(shared.url)
  await db.query('create table visits (id int primary key)')
  const side = await openPostgresSide(shared.url)
  const tables = await movedTables(side)
  const client = await db.dedicated()
  await client.script('begin; insert into visits values (1)')
  const waiting = () =>
    db.query<{ pid: number }>(
      'select active_pid as pid from pg_replication_slots where database = $1 and confirmed_flush_lsn is null',
      [shared.name],
    )
  const killed = side.openLog('left', tables)
  killed.catch(() => undefined)
  while ((await waiting()).length === 0) await sleep(20)

  const other = await openPostgresSide(shared.url)
  const opening = other.openLog('left', tables)
  await assert.rejects(killed)
  await client.script('commit')

  assert.match(await opening, /^[0-9A-F]+\/[0-9A-F]+$/)
  assert.deepEqual(await waiting(), [])
  await other.closeLog('left')
  await client.release()
  await Promise.all([side.close(), other.close(), db.close()])
})
