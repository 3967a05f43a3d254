import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createConnection } from 'mysql2/promise'
import { cancelService, revertService } from '@imhotep/split'
import { startLogicalServer } from '../support/logical-server.ts'
import { mariadbDatabase, needsMariadb } from '../support/mariadb.ts'
import { smallSplit } from '../support/small-split.ts'
import { openSplit } from './open-split.ts'

test('split: triggers that remember deletions leave the shared database with the last service that is on its way', async () => {
  await using here = await smallSplit()
  const { split, shared } = here
  const watching = async () => {
    const rows = await shared.query<{ name: string }>(
      `select tgrelid::regclass::text as name from pg_trigger where tgname ~ '^imhotep_split_remember'`,
    )
    return rows.map(({ name }) => name)
  }
  await here.move('clinical', 'reversible')
  await here.move('lab', 'streaming')
  const during = await watching()

  await cancelService(split, 'lab')
  const withClinical = await watching()
  await revertService(split, 'clinical')

  assert.deepEqual(during, ['patients'])
  assert.deepEqual(withClinical, during)
  assert.deepEqual(await watching(), [])
})

test('split: the same on MariaDB', { skip: needsMariadb }, async () => {
  const target = await startLogicalServer()
  try {
    await using shared = await mariadbDatabase(
      'create table users (id int unsigned primary key)',
      'create table orders (id int primary key, user_id int unsigned, foreign key owner (user_id) references users (id))',
    )
    await using here = await openSplit(
      shared.url,
      target.server.url(),
      'services: { auth: { database: LAB }, sales: {} }\ntables: { users: auth, orders: sales }',
    )
    const { split, mapFile } = here
    await split.makePlan(mapFile)
    const move = await split.moveOf('sales')
    await move.looseKeys.watchShared()
    const during = await triggersOf(shared.url)

    await cancelService(split, 'sales')

    assert.equal(during.length, 1)
    assert.deepEqual(await triggersOf(shared.url), [])
  } finally {
    await target.remove()
  }
})

async function triggersOf(url: string): Promise<unknown[]> {
  const connection = await createConnection(url)
  try {
    const [triggers] = await connection.query('show triggers')
    return triggers as unknown[]
  } finally {
    await connection.end()
  }
}
