import assert from 'node:assert/strict'
import { test } from 'node:test'
import { foreignKey, sharedTable } from '../map/owner-map.fixture.ts'
import { checkOwnerMap } from '../map/check-owner-map.ts'
import { readOwnerMap } from '../map/read-owner-map.ts'
import { planSplit, type Dialect } from './plan-split.ts'

/** Tables go as they are, and all their keys are told to be left out. */
const dialect: Dialect = {
  kind: 'mariadb',
  moved: async (owned) => ({
    tables: owned.map(({ table: { schema, name }, key }) => ({
      source: { schema, name },
      target: { schema: 'public', name },
      key,
      columns: [],
    })),
    findings: [],
  }),
  schema: async () => ({
    schema: { tables: '', keys: '', copies: null },
    leftOut: [
      { object: 'foreign key owner_users on shop.orders', reason: 'users is no table of this service' },
      { object: 'foreign key author_users on shop.codes', reason: 'users is no table of this service' },
      { object: 'default of made on shop.orders', reason: 'no such date' },
    ],
  }),
}

const tables = [
  sharedTable('users'),
  sharedTable('orders', { foreignKeys: [foreignKey('owner', 'users', { onDelete: 'cascade' })] }),
  sharedTable('stock', { foreignKeys: [foreignKey('code', 'codes')] }),
  sharedTable('codes', { foreignKeys: [foreignKey('author', 'users', { onDelete: 'set null' })] }),
]

const mapText = `
services: { auth: {}, sales: {}, store: {} }
tables: { users: auth, orders: sales, stock: store, codes: shared-read }
`

async function planned() {
  const map = checkOwnerMap(readOwnerMap(mapText, 'owners.yaml'), { tables }, { source: 'shop' })
  const catalog = { tables, views: [], routines: [], triggers: [] }
  return planSplit(map, catalog, dialect, { source: 'localhost/shop', mapText })
}

test('planSplit: a key of a static table is loose in every service that has a copy and not the parent', async () => {
  const { looseKeys, services } = await planned()

  assert.deepEqual(
    looseKeys.map(({ name, child, parent, onDelete }) => [name, child.service, parent.service, onDelete]),
    [
      ['owner_users', 'sales', 'auth', 'delete'],
      ['author_users', 'sales', 'auth', 'nullify'],
      ['author_users', 'store', 'auth', 'nullify'],
    ],
  )
  const inside = services.map(({ name, innerKeys }) => [name, innerKeys.map((key) => key.name)])
  assert.deepEqual(Object.fromEntries(inside), { auth: ['author_users'], sales: [], store: ['code_codes'] })
})

test('planSplit: keys across are not told as left out, they become loose keys', async () => {
  const { services } = await planned()

  for (const { leftOut } of services) {
    assert.deepEqual(
      leftOut.map(({ object }) => object),
      ['default of made on shop.orders'],
    )
  }
})
