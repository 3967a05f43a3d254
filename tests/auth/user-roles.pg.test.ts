import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import { openRaceClinic, type RaceClinic } from '../races/clinic.fixture.ts'
import { contextOf, makeTenant } from '../support/tenants.ts'
import { addUser } from './users.fixture.ts'

let clinic: RaceClinic
let user: string
let administrator: string

before(async () => {
  clinic = await openRaceClinic(4)
  user = await addUser(clinic)
  administrator = await addUser(clinic)
})
after(() => clinic.close())

test('user_roles: a role is not granted twice for one time (23P01), but again after it ended', async () => {
  await grant('nurse', '2026-01-01', '2026-02-01')

  await assert.rejects(grant('nurse', '2026-01-15', null), {
    sqlstate: '23P01',
    constraint: 'user_roles_not_overlapping',
  })
  await grant('nurse', '2026-02-01', null)
  await grant('doctor', '2026-01-15', null)
})

test('user_roles: the same role may be held in one clinic and in all', async () => {
  await grant('receptionist', '2026-01-01', null)
  await grant('receptionist', '2026-01-01', null, { clinic_id: clinic.clinic })
})

test('user_roles: nobody grants a role to themselves (23514)', async () => {
  await assert.rejects(grant('admin', '2026-01-01', null, { granted_by: user }), {
    sqlstate: '23514',
    constraint: 'user_roles_not_granted_to_self',
  })
})

test('user_roles: a role of another tenant does not exist (IM005)', async () => {
  const other = await makeTenant(clinic.superuser)
  const [foreign] = await withTenant(clinic.app, contextOf(other), (tx) =>
    tx.query<{ id: string }>(
      `insert into auth.roles (tenant_id, code, name, description) values ($1, 'own', 'Own', 'Own') returning id`,
      [other],
    ),
  )

  await assert.rejects(
    clinic.as((tx) =>
      tx.query('insert into auth.user_roles (tenant_id, user_id, role_id, granted_by) values ($1, $2, $3, $4)', [
        clinic.tenant,
        user,
        foreign?.id,
        administrator,
      ]),
    ),
    { sqlstate: 'IM005' },
  )
})

test('user_permissions: what a user may do follows from the grants that are valid now', async () => {
  const clerk = await addUser(clinic)
  await grant('billing', '2026-01-01', null, { user_id: clerk })
  await grant('auditor', '2020-01-01', '2021-01-01', { user_id: clerk })

  const rows = await clinic.as((tx) =>
    tx.query('select distinct role_code from auth.user_permissions where user_id = $1', [clerk]),
  )

  assert.deepEqual(rows, [{ role_code: 'billing' }])
})

function grant(role: string, from: string, to: string | null, rest: object = {}): Promise<unknown> {
  const row = { user_id: user, clinic_id: null, granted_by: administrator, ...rest }
  return clinic.as((tx) =>
    tx.query(
      `insert into auth.user_roles (tenant_id, user_id, role_id, clinic_id, valid_from, valid_to, granted_by)
       select $1, $2, r.id, $3, $4::timestamptz, $5::timestamptz, $6 from auth.roles r where r.tenant_id is null and r.code = $7`,
      [clinic.tenant, row.user_id, row.clinic_id, from, to, row.granted_by, role],
    ),
  )
}
