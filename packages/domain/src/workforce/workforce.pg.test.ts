import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
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

test('shifts and who works them are in the audit log, since they open patients’ records', () =>
  withHospital(async ({ run, admin, tenant, users, departmentId }) => {
    const [staffId, shiftId] = [randomUUID(), randomUUID()]
    await run(async (tx) => {
      await tx.query(
        `insert into workforce.staff
          (tenant_id, id, employee_code, user_id, given_name, sex, phone_enc, phone_bidx, kind, department_id, designation, employment_type, joined_on)
        values ($1, $2, 'E1', $3, 'Given', 'female', '\\x01', '\\x02', 'nurse', $4, 'Nurse', 'full_time', current_date)`,
        [tenant, staffId, users[0], departmentId],
      )
      await tx.query(
        `insert into workforce.shifts (tenant_id, id, department_id, name, kind, starts_at, ends_at)
         values ($1, $2, $3, 'Day', 'custom', now(), now() + interval '8 hours')`,
        [tenant, shiftId, departmentId],
      )
      await tx.query(
        `insert into workforce.shift_assignments (tenant_id, shift_id, staff_id, role, period)
         values ($1, $2, $3, 'nurse', tstzrange(now(), now() + interval '8 hours'))`,
        [tenant, shiftId, staffId],
      )
    })

    const context = { tenant, user: users[0], role: 'auditor', purpose: 'HOPERAT' } as const
    const logged = await withTenant(admin, context, (tx) =>
      tx.query(
        `select table_name as name, action from audit.audit_logs where tenant_id = $1 and table_name ~ '^shift' order by seq`,
        [tenant],
      ),
    )
    assert.deepEqual(logged, [
      { name: 'shifts', action: 'insert' },
      { name: 'shift_assignments', action: 'insert' },
    ])
  }))
