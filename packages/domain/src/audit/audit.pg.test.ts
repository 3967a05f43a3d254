import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BreakGlassOpenError,
  BreakGlassReasonError,
  CheckViolationError,
  NotPermittedError,
  PermissionDeniedError,
} from '@imhotep/postgres'
import { addPatient, withHospital } from '../hospital.fixture.ts'
import { closeBreakGlass, openBreakGlass, reviewBreakGlass } from './break-glass.ts'
import { logAccess, logDisclosure, logEvent } from './log.ts'

test('logAccess and logEvent: write evidence that the application itself cannot read or change', () =>
  withHospital(async (hospital) => {
    const { run, admin } = hospital
    const patientId = await addPatient(hospital, 'Asha')

    await run(async (tx) => {
      await logAccess(tx, { resourceType: 'Patient', resourceId: patientId, patientId, accessKind: 'view' })
      await logEvent(tx, { action: 'login', schema: 'auth', table: 'users', rowId: hospital.users[0] })
    })

    const reads = await admin.query<object>(
      'select user_id, purpose_of_use, row_count from audit.phi_access_logs where patient_id = $1',
      [patientId],
    )
    const events = await admin.query(`select from audit.audit_logs where tenant_id = $1 and action = 'login'`, [
      hospital.tenant,
    ])
    assert.deepEqual(reads, [{ user_id: hospital.users[0], purpose_of_use: 'TREAT', row_count: 1 }])
    assert.equal(events.length, 1)
    await assert.rejects(
      run((tx) => tx.query('delete from audit.phi_access_logs')),
      PermissionDeniedError,
    )
  }))

test('logDisclosure: says who received the data and why, or is refused', () =>
  withHospital(async (hospital) => {
    const { run, admin } = hospital
    const patientId = await addPatient(hospital, 'Asha')
    const disclosure = { resourceType: 'Patient', resourceId: patientId, patientId, recipient: 'district court' }

    await run((tx) => logDisclosure(tx, { ...disclosure, legalBasis: 'order 12 of 2026' }))

    const rows = await admin.query<object>(
      `select recipient, legal_basis from audit.phi_access_logs where tenant_id = $1 and access_kind = 'disclosure'`,
      [hospital.tenant],
    )
    assert.deepEqual(rows, [{ recipient: 'district court', legal_basis: 'order 12 of 2026' }])
    await assert.rejects(
      run((tx) => logDisclosure(tx, { ...disclosure, legalBasis: null as unknown as string })),
      CheckViolationError,
    )
  }))

test('openBreakGlass: needs a reason, is open once, and is reviewed by somebody else', () =>
  withHospital(async (hospital) => {
    const { run, users } = hospital
    const patientId = await addPatient(hospital, 'Asha')
    const input = { patientId, reasonCode: 'emergency', reason: 'unconscious in the emergency room' }

    const id = await run((tx) => openBreakGlass(tx, input))

    await assert.rejects(
      run((tx) => openBreakGlass(tx, input)),
      BreakGlassOpenError,
    )
    await assert.rejects(
      run((tx) => openBreakGlass(tx, { ...input, reason: 'short' })),
      BreakGlassReasonError,
    )
    await run((tx) => closeBreakGlass(tx, id))
    await assert.rejects(
      run((tx) => reviewBreakGlass(tx, id, 'justified')),
      NotPermittedError,
    )
    await run((tx) => reviewBreakGlass(tx, id, 'justified'), { user: users[1] })
  }))
