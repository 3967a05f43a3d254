import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { NotPermittedError } from '@imhotep/postgres'
import { withHospital } from '../hospital.fixture.ts'
import { actingDoctorId, actingStaffId } from './acting-staff.ts'

test('actingStaffId, actingDoctorId: the person who is signed in, while they work here', () =>
  withHospital(async ({ run, tenant, users, departmentId }) => {
    const [nurse, stranger] = users
    const staffId = randomUUID()
    await run((tx) =>
      tx.query(
        `insert into workforce.staff
          (tenant_id, id, employee_code, user_id, given_name, family_name, sex, phone_enc, phone_bidx, kind, department_id, designation, employment_type, joined_on)
        values ($1, $2, 'E1', $3, 'Given', 'Family', 'female', '\\x01', '\\x02', 'nurse', $4, 'Nurse', 'full_time', current_date)`,
        [tenant, staffId, nurse, departmentId],
      ),
    )

    assert.equal(await run(actingStaffId), staffId)
    await assert.rejects(run(actingDoctorId), NotPermittedError)
    await assert.rejects(run(actingStaffId, { user: stranger }), NotPermittedError)
    await run((tx) => tx.query(`update workforce.staff set status = 'active' where id = $1`, [staffId]))
    await run((tx) =>
      tx.query(`update workforce.staff set status = 'left', left_on = current_date where id = $1`, [staffId]),
    )
    await assert.rejects(run(actingStaffId), NotPermittedError)
  }))
