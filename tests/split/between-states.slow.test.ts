import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { cancelService, readEnvFile, recover, revertService, run, Split, workLooseKeysOf } from '@imhotep/split'
import { startLogicalServer } from '../support/logical-server.ts'
import { mariadbDatabase, needsMariadb } from '../support/mariadb.ts'
import { smallSplit } from '../support/small-split.ts'
import { openClient } from './nilecare/writer/client.ts'
import { openSplit } from './open-split.ts'

const options = { skip: needsMariadb }
const { signal } = new AbortController()
const oneTable = 'services: { lab: { database: LAB } }\ntables: { orders: lab }'
const keyToPatients = `select from pg_constraint where conname = 'orders_patient_id_fkey'`

test('split: parents that are deleted while a service waits for its switch take their children along', async () => {
  await using here = await smallSplit()
  const { split, shared } = here
  const ordersOf = (patient: number) => shared.query('select from orders where patient_id = $1', [patient])
  await here.move('lab', 'verified')

  await shared.query('delete from patients where id = 1')
  assert.equal((await ordersOf(1)).length, 3)
  await workLooseKeysOf(split, signal)
  assert.deepEqual(await ordersOf(1), [])
  await shared.query('delete from patients where id = 2')
  await cancelService(split, 'lab')

  assert.deepEqual(await ordersOf(2), [])
  assert.equal((await shared.query(keyToPatients)).length, 1)
})

test('split: parents that were deleted in a service take their children along when it is taken back', async () => {
  await using here = await smallSplit()
  const { split, shared, server } = here
  await here.move('clinical', 'reversible')
  const clinical = connect(server.url('hospital_clinical'))
  await clinical.query('delete from patients where id = 3')
  await clinical.close()

  await revertService(split, 'clinical')

  assert.deepEqual(await shared.query('select from orders where patient_id = 3'), [])
  assert.equal((await shared.query(keyToPatients)).length, 1)
})

test('split: a key whose parents were deleted meanwhile is not forgotten before its rows are right again', async () => {
  await using here = await smallSplit(
    `alter table orders drop constraint orders_patient_id_fkey,
       add constraint orders_patient_id_fkey foreign key (patient_id) references patients`,
  )
  const { split, shared } = here
  await here.move('lab', 'verified')
  await shared.query('delete from patients where id = 4')

  const isOrphaned = { code: 'IMH_SPLIT_ORPHANS', message: /public\.orders: 3 rows .* orders_patient_id_fkey/ }
  await assert.rejects(cancelService(split, 'lab'), isOrphaned)
  await assert.rejects(split.makePlan(here.mapFile), isOrphaned)
  await shared.query('delete from orders where patient_id = 4')
  await cancelService(split, 'lab')
  await split.makePlan(here.mapFile)

  assert.equal((await shared.query(`${keyToPatients} and convalidated`)).length, 1)
})

test('split: whoever works in another directory gives no new password to a service that is in use', async () => {
  await using here = await smallSplit()
  await here.move('lab', 'reversible')
  const { DATABASE_URL: own = '' } = readEnvFile(here.split.envFileOf('lab'))
  const elsewhere = await Split.open({
    ...here,
    envDirectory: join(here.directory, 'elsewhere'),
    signal,
    say: () => {},
  })

  await assert.rejects(elsewhere.moveOf('lab'), { code: 'IMH_SPLIT_ENV_FILE', hint: /--env/ })
  await elsewhere.close()

  const client = connect(own)
  await client.query('select from orders')
  await client.close()
})

void test('revert: what an earlier move, to another server, had brought back does not count', options, async () => {
  const target = await startLogicalServer()
  try {
    await using shared = await mariadbDatabase('create table orders (id int primary key)')
    await using here = await openSplit(shared.url, target.server.url(), oneTable)
    const { split } = here
    await split.makePlan(here.mapFile)
    await run(await split.moveOf('lab'), 'verified')
    await shared.run(`insert into imhotep_split_applied (log, position) values ('imhotep_rev_lab', 'FF/0')`)
    const { reverse } = await run(await split.moveOf('lab'), 'reversible')
    await reverse?.stop()
    const lab = connect(target.server.url(here.labDatabase))
    await lab.query('insert into orders values (1)')
    await lab.close()

    await revertService(split, 'lab')

    const client = await openClient({ kind: 'mariadb', url: shared.url })
    assert.deepEqual(await client.query('select id from orders'), [{ id: 1 }])
    await client.close()
  } finally {
    await target.remove()
  }
})

void test('switch: clients are let in again when the new server dies before it serves', options, async () => {
  const target = await startLogicalServer()
  try {
    await using shared = await mariadbDatabase('create table orders (id int primary key)')
    await using here = await openSplit(shared.url, target.server.url(), oneTable)
    await here.split.makePlan(here.mapFile)
    const move = await here.split.moveOf('lab')
    await run(move, 'verified')
    const fence = move.source.fence.bind(move.source)
    Object.assign(move.source, {
      fence: async (...args: Parameters<typeof fence>) => {
        const last = await fence(...args)
        await assert.rejects(shared.run('insert into orders values (1)'), /IMH01/)
        await target.server.stop('immediate')
        return last
      },
    })

    await assert.rejects(run(move, 'reversible'))

    await shared.run('insert into orders values (1)')
    await target.restart()
    const again = await here.again()
    assert.equal((await recover(await again.moveOf('lab'))).state, 'streaming')
    const { reverse } = await run(await again.moveOf('lab'), 'reversible')
    await reverse?.stop()
    await assert.rejects(shared.run('insert into orders values (2)'), /IMH01/)
  } finally {
    await target.remove()
  }
})
