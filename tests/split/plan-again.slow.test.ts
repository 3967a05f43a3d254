import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { dropReadOnlyCopiesOf, makeReadOnlyCopies, readStatus, retire, run, type Split } from '@imhotep/split'
import { startLogicalServer } from '../support/logical-server.ts'
import { mariadbDatabase, needsMariadb } from '../support/mariadb.ts'
import { smallSplit } from '../support/small-split.ts'
import { openSplit } from './open-split.ts'

const mapText = `
services: { clinical: {}, lab: {}, wards: {} }
tables:
  countries: shared-read
  patients: { owner: clinical, copies: [lab] }
  orders: lab
  results: lab
  beds: wards
`

async function moveAndCompare(split: Split, service: string): Promise<void> {
  const { verification, reverse } = await run(await split.moveOf(service), 'reversible')
  await reverse?.stop()
  assert.equal(verification?.equal, true, service)
}

async function retireAll(split: Split, services: readonly string[]): Promise<void> {
  for (const name of services) await retire(await split.moveOf(name), await split.ledger.read(name))
}

test('plan: a service that is retired stays as it is, and what the shared database holds now is planned anew', async () => {
  // a type that the owner of patients, and the reader of their copy, both have
  await using here = await smallSplit(
    `create type urgency as enum ('routine', 'stat'); alter table patients add urgency urgency; alter table orders add urgency urgency`,
  )
  const { split, shared, mapFile } = here
  await here.move('clinical', 'reversible')
  writeFileSync(mapFile, mapText)
  await shared.query('create table beds (id int primary key, order_id bigint references orders on delete cascade)')
  await shared.query('insert into beds select n, n from generate_series(1, 50) n')
  await assert.rejects(split.makePlan(mapFile), { code: 'IMH_SPLIT_PLAN_IN_USE', message: /clinical \(reversible\)/ })
  await retireAll(split, ['clinical'])
  await shared.query('drop view patient_orders')

  const before = await split.servicePlan('clinical')
  const plan = await split.makePlan(mapFile)

  assert.deepEqual(await split.servicePlan('clinical'), {
    ...before,
    copies: [{ table: before.tables[0], readers: ['lab'] }],
  })
  assert.deepEqual(
    Object.fromEntries(plan.services.map(({ name, tables }) => [name, tables.map(({ source }) => source.name)])),
    { clinical: ['patients'], lab: ['orders', 'results'], wards: ['beds'] },
  )
  // the key to patients is gone from the shared database since clinical left
  assert.deepEqual(
    plan.looseKeys.map(({ name, child, parent }) => [name, child.service, parent.service]),
    [
      ['orders_patient_id_fkey', 'lab', 'clinical'],
      ['beds_order_id_fkey', 'wards', 'lab'],
    ],
  )
  const states = (await split.ledger.all()).map(({ service, state }) => [service, state])
  assert.deepEqual(states, [
    ['clinical', 'retired'],
    ['lab', 'mapped'],
    ['wards', 'mapped'],
  ])

  for (const name of ['wards', 'lab']) await moveAndCompare(split, name)
  assert.equal(await makeReadOnlyCopies(split), 1)
  while ((await here.lab.query('select from patients')).length < 100) await new Promise((next) => setTimeout(next, 20))
  await retireAll(split, ['wards', 'lab'])
  await split.setReferenceAside()
  const { sharedTables, verifiedShare, independentServices } = await readStatus(split)
  assert.deepEqual([sharedTables, verifiedShare, independentServices], [0, 1, 3])
  const left = await shared.query<{ name: string }>(
    `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1`,
  )
  assert.deepEqual(
    left.map(({ name }) => name),
    ['beds', 'countries', 'orders', 'patients', 'results'].map((name) => `zz_moved_${name}`),
  )
})

test('plan: the same on MariaDB, with a copy of a table that has moved', { skip: needsMariadb }, async () => {
  const target = await startLogicalServer()
  try {
    await using shared = await mariadbDatabase(
      'create table users (id int unsigned primary key, name varchar(20))',
      'create table orders (id int primary key, user_id int unsigned, foreign key owner (user_id) references users (id))',
      `insert into users values (1, 'a'), (2, 'b')`,
      'insert into orders values (1, 1), (2, 2), (3, null)',
    )
    await using here = await openSplit(
      shared.url,
      target.server.url(),
      'services: { auth: { database: LAB }, sales: {} }\ntables: { users: { owner: auth, copies: [sales] }, orders: sales }',
    )
    const { split, mapFile } = here
    await split.makePlan(mapFile)
    const [before] = (await split.plan()).looseKeys
    await moveAndCompare(split, 'auth')
    await retireAll(split, ['auth'])

    const plan = await split.makePlan(mapFile)
    await moveAndCompare(split, 'sales')

    assert.deepEqual(plan.looseKeys, [before])
    assert.equal(await makeReadOnlyCopies(split), 1)
    const { database } = await split.servicePlan('sales')
    const copied = () => split.databaseOf(database).query<{ id: number }>('select id::int from users order by id')
    while ((await copied()).length < 2) await new Promise((next) => setTimeout(next, 20))
    assert.deepEqual(await copied(), [{ id: 1 }, { id: 2 }])
    await dropReadOnlyCopiesOf(split, 'sales')
  } finally {
    await target.remove()
  }
})
