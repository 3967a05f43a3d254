import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import { connect, DatabaseError, type Database } from '@imhotep/postgres'
import { demoDatabase, type TestDatabase } from '../support/database.ts'
import { contextOf } from '../support/tenants.ts'
import { moveRows, serviceDatabase, services, topologyOf } from './service-databases.fixture.ts'

/** A name that is not there: table, column, function, type, schema. */
const MISSING = ['42P01', '42703', '42883', '42704', '3F000']

interface Operation {
  readonly call: string
  readonly name: string
}

describe('what a service has left', () => {
  let shared: TestDatabase
  let hospital: Database
  let called = 0

  before(async () => {
    shared = await demoDatabase()
    hospital = connect(shared.url)
  })

  after(async () => {
    console.log(`services: ${called} functions called`)
    await hospital.close()
    await shared.drop()
  })

  for (const service of services) {
    test(`${service}: no function names what is not there`, async () => {
      await using database = await serviceDatabase(service)
      await moveRows(hospital, database.db, await topologyOf(service))
      const [tenant] = await database.db.query<{ id: string }>('select id from core.tenants order by id limit 1')
      assert.ok(tenant)
      const operations = await operationsOf(database.db)

      const broken: string[] = []
      for (const { call, name } of operations) {
        const state = await stateOf(database.db, tenant.id, call)
        // a name that is an argument is ours
        if (MISSING.includes(state.code) && !state.message.includes('A1')) broken.push(`${name}: ${state.message}`)
      }

      called += operations.length
      assert.deepEqual(broken, [])
    })
  }
})

/** Every function that is no trigger's, called with a value of each type that reaches as far as any. */
async function operationsOf(db: Database): Promise<Operation[]> {
  const rows = await db.query<{ name: string; arguments: string[] }>(
    `select p.oid::regproc::text as name, coalesce(array_agg(format_type(a.type, null) order by a.n) filter (where a.n is not null), '{}') as arguments
     from pg_proc p
     join pg_namespace n on n.oid = p.pronamespace
     left join lateral unnest(p.proargtypes) with ordinality a (type, n) on true
     where n.nspname not in ('pg_catalog', 'information_schema', 'core', 'audit', 'public') and p.prokind = 'f'
       and p.provariadic = 0 and p.prorettype <> 'trigger'::regtype
       and not exists (select from pg_depend d where d.objid = p.oid and d.deptype in ('e', 'i'))
     group by p.oid`,
  )
  return rows.flatMap(({ name, arguments: types }) =>
    ['null', 'made up'].map((how) => ({
      name,
      call: `select * from ${name}(${types.map((type) => (how === 'null' ? `null::${type}` : madeUp(type))).join(', ')})`,
    })),
  )
}

function madeUp(type: string): string {
  const values: Record<string, string> = {
    uuid: `core.uuid_v7()`,
    text: `'A1'`,
    integer: '1',
    bigint: '1',
    smallint: '1::smallint',
    numeric: '1',
    boolean: 'true',
    date: 'current_date',
    jsonb: `'{}'::jsonb`,
    bytea: `'x'::bytea`,
    'timestamp with time zone': 'now()',
    'text[]': `array['A1']`,
    'uuid[]': `array[core.uuid_v7()]`,
  }
  return values[type] ?? `null::${type}`
}

class Undo extends Error {}

async function stateOf(db: Database, tenant: string, call: string): Promise<{ code: string; message: string }> {
  let found = { code: '', message: '' }
  await withTenant(db, contextOf(tenant), async (tx) => {
    await tx.query(call)
    throw new Undo()
  }).catch((error: unknown) => {
    if (error instanceof DatabaseError) found = { code: error.sqlstate ?? '', message: error.message }
    else if (!(error instanceof Undo)) throw error
  })
  return found
}
