import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CopyWorkersError, LossyTypesError, NotReadyError, OrphansError, run, runServices } from '@imhotep/split'
import { startLogicalServer } from '../support/logical-server.ts'
import { mariadbDatabase, needsMariadb, startMariadb } from '../support/mariadb.ts'
import { openClient } from './nilecare/writer/client.ts'
import { openSplit } from './open-split.ts'

const options = { skip: needsMariadb }
const oneTable = 'services: { lab: { database: LAB } }\ntables: { orders: lab }'

void test('run: a MariaDB whose binlog cannot be followed is refused, and nothing is touched', options, async () => {
  const target = await startLogicalServer()
  const cases = [
    { settings: { binlog_format: 'MIXED' }, code: 'IMH_SPLIT_BINLOG_FORMAT' },
    { settings: { log_bin: '0', skip_log_bin: '1' }, code: 'IMH_SPLIT_NO_BINLOG' },
  ] as const
  try {
    for (const { settings, code } of cases) {
      const source = await startMariadb(settings)
      try {
        await runStatements(source.url(), 'create database hospital')
        await runStatements(source.url('hospital'), 'create table orders (id int primary key)')
        await using here = await openSplit(source.url('hospital'), target.server.url(), oneTable)
        await here.split.ledger.forget('lab')
        await here.split.makePlan(here.mapFile)

        await assert.rejects(run(await here.split.moveOf('lab'), 'reversible'), (error: unknown) => {
          assert.ok(error instanceof NotReadyError, String(error))
          assert.ok(error.obstacles.some((one) => one.code === code && one.hint.length > 10))
          return true
        })
        assert.equal((await here.split.ledger.read('lab')).state, 'mapped')
      } finally {
        await source.remove()
      }
    }
  } finally {
    await target.remove()
  }
})

void test('plan and run: what would be lost, and copies without workers, stop with a way out', options, async () => {
  const target = await startLogicalServer({ max_logical_replication_workers: '1' })
  try {
    await using lossy = await mariadbDatabase(
      'create table orders (id int primary key, taken date not null, place point, note varchar(9))',
      `insert into orders values (1, '0000-00-00', null, 'a\\0b')`,
    )
    await using one = await openSplit(lossy.url, target.server.url(), oneTable)
    await assert.rejects(one.split.makePlan(one.mapFile), (error: unknown) => {
      assert.ok(error instanceof LossyTypesError, String(error))
      assert.deepEqual(error.findings, [
        'orders.taken: zero-date in 1 row',
        'orders.place: unsupported-type',
        'orders.note: nul-character in 1 row',
      ])
      assert.match(error.hint ?? '', /zeroDate: null.*\n.*turn the column into one of bytes.*\n.*another type first/)
      return true
    })

    await using shared = await mariadbDatabase(
      'create table users (id int primary key)',
      'create table orders (id int primary key)',
      'insert into users values (1)',
    )
    await using two = await openSplit(
      shared.url,
      target.server.url(),
      'services: { lab: { database: LAB }, auth: {} }\ntables: { orders: lab, users: { owner: auth, copies: [lab] } }',
    )
    await two.split.makePlan(two.mapFile)
    await assert.rejects(
      runServices(two.split, { services: ['auth', 'lab'], goal: 'reversible' }),
      (error: unknown) => {
        assert.ok(error instanceof CopyWorkersError, String(error))
        assert.match(error.hint ?? '', /max_logical_replication_workers/)
        return true
      },
    )
    const states = (await two.split.ledger.all()).map(({ state }) => state)
    assert.deepEqual(states, ['reversible', 'reversible'])
  } finally {
    await target.remove()
  }
})

void test('run: rows that point nowhere are named by table and key, and repaired it goes on', options, async () => {
  const target = await startLogicalServer()
  try {
    await using shared = await mariadbDatabase(
      'create table patients (id int primary key)',
      `create table orders (id int primary key, patient int, ward int,
         constraint of_patient foreign key (patient) references patients (id),
         constraint of_ward foreign key (ward) references patients (id))`,
      'set foreign_key_checks = 0',
      'insert into orders values (1, 7, null), (2, 8, 9)',
    )
    await using here = await openSplit(
      shared.url,
      target.server.url(),
      'services: { lab: { database: LAB } }\ntables: { orders: lab, patients: lab }',
    )
    await here.split.makePlan(here.mapFile)

    await assert.rejects(run(await here.split.moveOf('lab'), 'streaming'), (error: unknown) => {
      assert.ok(error instanceof OrphansError, String(error))
      assert.match(error.message, /orders \(of_patient\): 2, .*orders \(of_ward\): 1/)
      assert.match(error.hint ?? '', /repair them in the shared database/)
      return true
    })
    // told before the copy
    assert.deepEqual(
      (await here.split.ledger.all()).map(({ state }) => state),
      ['mapped'],
    )
    await shared.run('delete from orders where id = 2', 'insert into patients values (7)')

    const { entry } = await run(await here.split.moveOf('lab'), 'streaming')
    assert.equal(entry.state, 'streaming')
  } finally {
    await target.remove()
  }
})

async function runStatements(url: string, ...statements: string[]): Promise<void> {
  const client = await openClient({ kind: 'mariadb', url })
  for (const statement of statements) await client.query(statement)
  await client.close()
}
