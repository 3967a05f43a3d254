import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { hospitalDatabase } from '../../../tests/support/database.ts'
import { operations } from './operations.ts'

/** Granted to applications, but no operation of this package. */
const others: Readonly<Record<string, string>> = {
  'core.begin_request': 'withTenant of @imhotep/kernel calls it',
  'core.signed_tenant_id': 'policies ask it where contexts have to be signed',
  'core.treatment_is_required': 'core.begin_request asks it',
  'core.look_up_patients': 'core.begin_request calls it where users are limited to the patients they treat',
  'core.patients_in_care': 'policies ask it where users are limited to the patients they treat',
  'core.patients_known': 'policies ask it where users are limited to the patients they treat',
  'core.listed_patients': 'core.patients_in_care and core.patients_known read the list with it',
  'core.period_key': 'helper of core.next_number',
  'core.tenant_zone': 'views and operations count days by it',
  'core.tenant_today': 'operations and core.next_number count days by it',
  'core.next_default_number': 'operations call it for the numbers of their rows',
  'patient.ids_of': 'views and operations of all modules read the rows of merged records with it',
  'patient.name_key': 'called by a trigger as the role that writes',
  'patient.check_birth_date': 'called by a trigger as the role that writes',
  'patient.check_mrn': 'called by a trigger as the role that writes',
}

test('operations: every operation that is granted to an application role has a wrapper, and none is made up', async () => {
  await using hospital = await hospitalDatabase()
  const db = connect(hospital.url)
  try {
    const granted = await db.query<{ name: string }>(`
      select distinct n.nspname || '.' || p.proname as name
      from pg_proc p
      join pg_namespace n on n.oid = p.pronamespace
      cross join lateral aclexplode(p.proacl) a
      join pg_roles r on r.oid = a.grantee
      where a.privilege_type = 'EXECUTE' and r.rolname like '%\\_app' and p.prorettype <> 'trigger'::regtype
      order by 1`)

    const names = granted.map((row) => row.name)
    assert.deepEqual(
      names.filter((name) => !(name in others)),
      Object.keys(operations).toSorted(),
    )
    assert.deepEqual(
      Object.keys(others).filter((name) => !names.includes(name)),
      [],
    )
  } finally {
    await db.close()
  }
})

test('operations: every statement calls its function with arguments that it has, and gives the columns that it names', async () => {
  await using hospital = await hospitalDatabase()
  const connection = await connect(hospital.url).dedicated()
  try {
    for (const [name, { sql }] of Object.entries(operations)) {
      assert.ok(sql.includes(`${name}(`), `${name} is not called`)
      await assert.doesNotReject(connection.script(`prepare operation as ${sql}; deallocate operation`), name)
    }
  } finally {
    await connection.release()
  }
})
