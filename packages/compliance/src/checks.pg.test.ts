import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { emptyCatalog } from '@imhotep/engine'
import { connect, type Database } from '@imhotep/postgres'
import { addTable, addTrigger } from '../../../tests/support/catalog-builder.ts'
import { hospitalDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { makeTenant } from '../../../tests/support/tenants.ts'
import { hasMove, noRows, refuses } from './checks.ts'
import { inspectionOfRows } from './inspection.fixture.ts'
import { fail, notApplicable, pass, type ComplianceRule, type Verdict } from './rule.ts'

let database: TestDatabase
let db: Database
let tenants: string[]

before(async () => {
  database = await hospitalDatabase()
  db = connect(database.url)
  tenants = [await makeTenant(db), await makeTenant(db)].toSorted()
})
after(async () => {
  await db.close()
  await database.drop()
})

/** The verdict about the hospital, with a trigger that enforces the states of appointments. */
function verdictOf(check: ComplianceRule['check'], ofTenants: readonly string[] = tenants): Promise<Verdict> {
  const catalog = emptyCatalog()
  addTrigger(addTable(catalog, 'scheduling', 'appointments', null), 'states', { function: 'core.enforce_transition' })
  return db.transaction(async (tx) => check(inspectionOfRows(tx, catalog, ofTenants)))
}

const settings = {
  what: 'rows of tenants',
  of: 'select count(*)::int as n from core.tenants where id = $1',
}

test('noRows: counts the rows of every tenant', async () => {
  const check = noRows({
    ...settings,
    offending: 'select id::text as offender from core.tenants where id is null and id = $1',
  })

  assert.deepEqual(await verdictOf(check), pass('2 rows of tenants'))
})

test('noRows: names the offenders of every tenant', async () => {
  const check = noRows({ ...settings, offending: 'select id::text as offender from core.tenants where id = $1' })

  assert.deepEqual(await verdictOf(check), fail('2 rows of tenants, 2 against the rule', tenants))
})

test('noRows: says nothing about a rule that has no rows yet', async () => {
  const check = noRows({
    what: 'appointments',
    of: 'select count(*)::int as n from scheduling.appointments where tenant_id = $1',
    offending: 'select id::text as offender from scheduling.appointments where tenant_id = $1',
  })

  assert.deepEqual(await verdictOf(check), notApplicable('there are no appointments yet'))
  assert.deepEqual(await verdictOf(check, []), notApplicable('there are no appointments yet'))
})

test('noRows: runs each query as a request of the tenant', async () => {
  const check = noRows({
    ...settings,
    offending: `select $1::text as offender where core.current_tenant_id() is distinct from $1::uuid`,
  })

  assert.equal((await verdictOf(check)).verdict, 'pass')
})

const refusal = { attempt: 'a division by zero', statement: 'select 1 / 0', with: ['22012'] }

test('refuses: passes when every attempt ends with one of its codes', async () => {
  const check = refuses(refusal, {
    attempt: 'a table that is not there',
    statement: 'select from nothing',
    with: ['42P01', 'IM006'],
  })

  assert.deepEqual(
    await verdictOf(check),
    pass('2 attempts, each refused: a division by zero; a table that is not there'),
  )
})

test('refuses: tells what an attempt ended with, success as 00000', async () => {
  const check = refuses({ ...refusal, statement: 'select 1' }, { ...refusal, with: ['IM006'] })

  const verdict = await verdictOf(check)

  assert.deepEqual('offenders' in verdict && verdict.offenders, [
    'a division by zero: ended with 00000',
    'a division by zero: ended with 22012',
  ])
})

test('refuses: fails when what is allowed is refused as well', async () => {
  const control = { ...refusal, control: 'select 1 / 1' }

  assert.equal((await verdictOf(refuses(control))).verdict, 'pass')
  assert.deepEqual(
    await verdictOf(refuses({ ...control, control: 'select from nothing' })),
    fail('1 attempts, each refused: a division by zero, 1 against the rule', [
      'a division by zero: what is allowed ended with 42P01',
    ]),
  )
})

test('refuses: takes back what an attempt did, and what was given for it', async () => {
  const check = refuses({
    attempt: 'a second row',
    given: ['create temp table kept (tenant uuid primary key)', 'insert into kept values ($1)'],
    statement: 'insert into kept values ($1)',
    with: ['23505'],
  })

  assert.equal((await verdictOf(check)).verdict, 'pass')
  assert.equal((await verdictOf(check)).verdict, 'pass')
})

test('refuses: tries it as the role that it names', async () => {
  const check = refuses({
    attempt: 'an application adds a tenant',
    as: 'imhotep_app',
    statement: `insert into core.tenants (id, code, name) values ($1, 'x', 'X')`,
    with: ['42501'],
  })

  assert.equal((await verdictOf(check)).verdict, 'pass')
})

test('refuses: cannot try anything without a tenant, and fails when there is nothing to try', async () => {
  assert.deepEqual(await verdictOf(refuses(refusal), []), notApplicable('there is no active tenant to try it in'))
  assert.match(JSON.stringify(await verdictOf(refuses())), /^\{"verdict":"fail".*nothing to look at/)
})

test('hasMove: needs the rule and the trigger that enforces it', async () => {
  const machine = 'scheduling.appointments'

  assert.deepEqual(await verdictOf(hasMove(machine, 'booked', 'cancelled')), pass(`trigger states of ${machine}`))
  assert.deepEqual(
    await verdictOf(hasMove(machine, 'completed', 'booked')),
    fail(`${machine} has no move from completed to booked`, [machine]),
  )
  assert.equal((await verdictOf(hasMove('facility.beds', 'vacant', 'occupied'))).verdict, 'fail')
})
