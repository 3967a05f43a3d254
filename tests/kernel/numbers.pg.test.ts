import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import { connect, type Database } from '@imhotep/postgres'
import { hospitalDatabase, type TestDatabase } from '../support/database.ts'
import { contextOf, makeTenant } from '../support/tenants.ts'

let database: TestDatabase
let superuser: Database
let app: Database
let tenant: string

before(async () => {
  database = await hospitalDatabase()
  superuser = connect(database.url)
  app = connect(database.appUrl, { max: 40 })
  tenant = await makeTenant(superuser)
})
after(async () => {
  await app.close()
  await superuser.close()
  await database.drop()
})

test('next_number: 400 takers, a third of whom roll back or are killed, leave no gap and no duplicate', async () => {
  await configure('invoice', 'A', `p_prefix => 'A-', p_pad => 5`)

  const outcomes = await Promise.all(Array.from({ length: 400 }, (_, index) => takeNumber(index)))

  const kept = outcomes.filter((number) => number !== null)
  const expected = Array.from({ length: kept.length }, (_, index) => `A-${String(index + 1).padStart(5, '0')}`)
  assert.ok(kept.length > 200 && kept.length < 400, `${kept.length} kept`)
  assert.deepEqual(kept.toSorted(), expected)
})

test('next_number: fills in the date, starts again each period and appends the check character', async () => {
  await configure('visit', 'C1', `p_prefix => 'V{YYYY}{MM}{DD}-', p_pad => 3, p_period => 'day'`)
  await configure('mrn', 'X', `p_prefix => '1', p_pad => 2, p_check_algo => 'mod10'`)

  const numbers = await withTenant(app, contextOf(tenant), async (tx) => {
    const [row] = await tx.query(`
      select
        core.next_number('visit', 'C1', '2026-01-31') as first, core.next_number('visit', 'C1', '2026-01-31') as second,
        core.next_number('visit', 'C1', '2026-02-01') as next_day, core.valid_luhn(core.next_number('mrn', 'X')) as luhn`)
    return row
  })

  assert.deepEqual(numbers, { first: 'V20260131-001', second: 'V20260131-002', next_day: 'V20260201-001', luhn: true })
})

test('next_number: refuses an unknown series (IM551) and a number that got too long (IM552)', async () => {
  await configure('short', 'S', `p_prefix => 'TOO-LONG-', p_max_len => 5`)

  await assert.rejects(next('short', 'nowhere'), { sqlstate: 'IM551' })
  await assert.rejects(next('short', 'S'), { sqlstate: 'IM552' })
})

test('next_number: tenants count apart', async () => {
  await configure('apart', 'S', '')
  const other = await makeTenant(superuser)
  await configure('apart', 'S', '', other)

  await next('apart', 'S')

  assert.equal(await next('apart', 'S'), '2')
  assert.equal(await next('apart', 'S', other), '1')
})

function configure(scope: string, series: string, rest: string, id = tenant): Promise<unknown> {
  return withTenant(app, contextOf(id), (tx) =>
    tx.query(`select core.configure_series($1, $2${rest && `, ${rest}`})`, [scope, series]),
  )
}

function next(scope: string, series: string, id = tenant): Promise<string | undefined> {
  return withTenant(app, contextOf(id), async (tx) => {
    const [row] = await tx.query<{ number: string }>('select core.next_number($1, $2) as number', [scope, series])
    return row?.number
  })
}

/** The number, or null for a taker that gave it back. Deterministic in who gives back, not in the order. */
async function takeNumber(index: number): Promise<string | null> {
  try {
    return await withTenant(app, contextOf(tenant), async (tx) => {
      const [row] = await tx.query<{ number: string; pid: number }>(
        `select core.next_number('invoice', 'A') as number, pg_backend_pid() as pid`,
      )
      assert.ok(row)
      if (index % 5 === 1) throw new Error('rolled back on purpose')
      if (index % 20 === 3) await superuser.query('select pg_terminate_backend($1)', [row.pid])
      // a killed connection shows at the latest here
      await tx.query('select 1')
      return row.number
    })
  } catch {
    return null
  }
}
