import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import {
  DeviceOutOfServiceError,
  DeviceTakenError,
  IllegalTransitionError,
  NotFoundError,
  ReasonRequiredError,
} from '@imhotep/postgres'
import { addPatient, digest, withHospital, type Hospital } from '../hospital.fixture.ts'
import { acknowledgeAlarm, escalateAlarms, raiseAlarm, resolveAlarm } from './alarms.ts'
import { assignDevice, setAlarmLimits, unassignDevice } from './assignments.ts'
import { changeDeviceStatus, recordMaintenance } from './devices.ts'
import { ingestTelemetry, type Reading } from './telemetry.ts'

interface Ward {
  readonly hospital: Hospital
  readonly nurse: string
  readonly monitor: string
  readonly patients: readonly [string, string]
}

const withWard = (work: (ward: Ward) => Promise<void>) =>
  withHospital(async (hospital) => {
    const nurse = randomUUID()
    await hospital.run((tx) =>
      tx.query(
        `insert into workforce.staff (
           tenant_id, id, employee_code, given_name, sex, phone_enc, phone_bidx, kind, department_id, designation,
           employment_type, joined_on
         )
         values ($1, $2, 'E-a', 'Test', 'unknown', $3, $3, 'nurse', $4, 'Nurse', 'full_time', '2020-01-01')`,
        [hospital.tenant, nurse, digest(nurse), hospital.departmentId],
      ),
    )
    const patients = [
      await addPatient(hospital, 'Asha'),
      await addPatient(hospital, 'Balakrishnan', '1950-06-01'),
    ] as const
    const monitor = await addDevice(hospital, 'monitor')
    await accept(hospital, monitor)
    await work({ hospital, nurse, monitor, patients })
  })

test('a device is in use after its acceptance, out of use when it fails, and retired with a reason', () =>
  withWard(async ({ hospital: { run }, hospital, nurse }) => {
    const deviceId = await addDevice(hospital, 'ventilator')

    await assert.rejects(
      run((tx) => changeDeviceStatus(tx, deviceId, 'active')),
      IllegalTransitionError,
    )
    await assert.rejects(
      run((tx) => assignDevice(tx, { deviceId, assignedBy: nurse })),
      DeviceOutOfServiceError,
    )
    const record = await accept(hospital, deviceId)
    const again = await accept(hospital, deviceId, record.performedAt)
    const failed = {
      deviceId,
      kind: 'calibration',
      result: 'fail',
      performedAt: new Date(),
      performedBy: 'Test firm',
    } as const
    await assert.rejects(
      run((tx) => recordMaintenance(tx, { ...failed, outOfTolerance: true })),
      { constraint: 'device_maintenance_out_of_tolerance_reviewed' },
    )
    await run((tx) => recordMaintenance(tx, { ...failed, outOfTolerance: true, impactReview: 'no patient affected' }))
    const [row] = await run((tx) =>
      tx.query('select status, calibration_due_on::text as due from device.devices where id = $1', [deviceId]),
    )
    await assert.rejects(
      run((tx) => changeDeviceStatus(tx, deviceId, 'retired')),
      ReasonRequiredError,
    )
    const retired = await run((tx) => changeDeviceStatus(tx, deviceId, 'retired', 'beyond repair'))

    assert.deepEqual(again, record)
    assert.deepEqual(row, { status: 'maintenance', due: '2099-01-01' })
    assert.equal(retired.status, 'retired')
  }))

test('assign: one patient at a time, the same again is the same assignment, free after unassign', () =>
  withWard(async ({ hospital: { run }, nurse, monitor, patients }) => {
    const input = { deviceId: monitor, assignedBy: nurse, patientId: patients[0] }

    const first = await run((tx) => assignDevice(tx, input))
    const again = await run((tx) => assignDevice(tx, input))
    await assert.rejects(
      run((tx) => assignDevice(tx, { ...input, patientId: patients[1] })),
      DeviceTakenError,
    )
    await assert.rejects(
      run((tx) => assignDevice(tx, { ...input, patientId: patients[1], isExclusive: false })),
      DeviceTakenError,
    )
    await assert.rejects(
      run((tx) => changeDeviceStatus(tx, monitor, 'retired', 'sold')),
      DeviceTakenError,
    )
    const ended = await run((tx) => unassignDevice(tx, first.id))
    const endedAgain = await run((tx) => unassignDevice(tx, first.id))
    const next = await run((tx) => assignDevice(tx, { ...input, patientId: patients[1] }))

    assert.deepEqual(again, first)
    assert.deepEqual([ended.status, next.patientId], ['ended', patients[1]])
    assert.deepEqual(endedAgain, ended)
    await assert.rejects(
      run((tx) => setAlarmLimits(tx, first.id, {})),
      IllegalTransitionError,
    )
    await assert.rejects(
      run((tx) => unassignDevice(tx, randomUUID())),
      NotFoundError,
    )
  }))

test('ingestTelemetry: readings belong to the patient who has the device; a batch sent twice is stored once', () =>
  withWard(async ({ hospital: { run }, nurse, monitor, patients }) => {
    const assignment = await run((tx) =>
      assignDevice(tx, { deviceId: monitor, assignedBy: nurse, patientId: patients[0], from: secondsAgo(60) }),
    )
    await run((tx) => setAlarmLimits(tx, assignment.id, { spo2: { low: 90, priority: 'high' } }))
    const batch: Reading[] = [
      { measuredAt: secondsAgo(120), metricCode: 'spo2', value: 85, unit: '%' }, // before anybody had it
      { measuredAt: secondsAgo(30), metricCode: 'spo2', value: 96, unit: '%' },
      { measuredAt: secondsAgo(20), metricCode: 'spo2', value: 40, unit: '%', quality: 'artefact' },
      { measuredAt: secondsAgo(10), metricCode: 'spo2', value: 88, unit: '%', patientId: patients[0] },
      { measuredAt: secondsAgo(9), metricCode: 'spo2', value: 97, unit: '%', patientId: patients[1] },
      { measuredAt: secondsAgo(-900), metricCode: 'spo2', value: 97, unit: '%' },
    ]

    const first = await run((tx) => ingestTelemetry(tx, monitor, batch))
    const again = await run((tx) => ingestTelemetry(tx, monitor, batch))
    const stored = await run((tx) =>
      tx.query('select value, patient_id from device.telemetry where device_id = $1 order by measured_at', [monitor]),
    )
    const alarms = await run((tx) =>
      tx.query('select metric_code, limit_kind, priority, patient_id from device.active_alarms'),
    )

    const refused = [
      { index: 4, reason: 'not_assigned_to_patient' },
      { index: 5, reason: 'from_the_future' },
    ]
    assert.deepEqual(first, { accepted: 4, repeated: 0, refused, alarms: 1 })
    assert.deepEqual(again, { accepted: 0, repeated: 4, refused, alarms: 0 })
    assert.deepEqual(stored, [
      { value: 85, patient_id: null },
      { value: 96, patient_id: patients[0] },
      { value: 40, patient_id: patients[0] },
      { value: 88, patient_id: patients[0] },
    ])
    assert.deepEqual(alarms, [{ metric_code: 'spo2', limit_kind: 'low', priority: 'high', patient_id: patients[0] }])
    await assert.rejects(
      run((tx) => ingestTelemetry(tx, randomUUID(), batch)),
      NotFoundError,
    )
    await run((tx) => changeDeviceStatus(tx, monitor, 'maintenance'))
    await assert.rejects(
      run((tx) => ingestTelemetry(tx, monitor, batch)),
      DeviceOutOfServiceError,
    )
  }))

test('ingestTelemetry: a shared device names the patient; a fridge raises cold chain alarms for its place', () =>
  withWard(async ({ hospital: { run }, hospital, nurse, patients }) => {
    const glucometer = await addDevice(hospital, 'glucometer')
    const fridge = await addDevice(hospital, 'fridge')
    for (const device of [glucometer, fridge]) await accept(hospital, device)
    for (const patientId of patients) {
      await run((tx) =>
        assignDevice(tx, {
          deviceId: glucometer,
          assignedBy: nurse,
          patientId,
          isExclusive: false,
          from: secondsAgo(60),
        }),
      )
    }
    const alarmLimits = { temperature: { low: 2, high: 8, priority: 'crisis' } } as const
    await run((tx) => assignDevice(tx, { deviceId: fridge, assignedBy: nurse, alarmLimits, from: secondsAgo(60) }))

    await run((tx) =>
      ingestTelemetry(
        tx,
        glucometer,
        patients.map((patientId, seq) => ({
          measuredAt: secondsAgo(9),
          metricCode: 'glucose',
          value: 5,
          unit: 'mmol/L',
          seq,
          patientId,
        })),
      ),
    )
    const warm = await run((tx) =>
      ingestTelemetry(tx, fridge, [{ measuredAt: secondsAgo(5), metricCode: 'temperature', value: 9.5, unit: 'Cel' }]),
    )

    const owners = await run((tx) =>
      tx.query<{ patient: string }>(
        'select patient_id as patient from device.telemetry where device_id = $1 order by seq',
        [glucometer],
      ),
    )
    const alarms = await run((tx) => tx.query('select limit_kind, priority, patient_id from device.active_alarms'))
    assert.deepEqual(
      owners.map(({ patient }) => patient),
      patients,
    )
    assert.equal(warm.alarms, 1)
    assert.deepEqual(alarms, [{ limit_kind: 'cold_chain', priority: 'crisis', patient_id: null }])
  }))

test('alarms: one live alarm a condition; worse makes it ring again; nobody there passes it on', () =>
  withWard(async ({ hospital: { run, users }, monitor }) => {
    const input = { deviceId: monitor, metricCode: 'ecg_lead', limitKind: 'technical', priority: 'low' } as const

    const first = await run((tx) => raiseAlarm(tx, { ...input, raisedAt: secondsAgo(400) }))
    const again = await run((tx) => raiseAlarm(tx, input))
    const passedOn = await run((tx) => escalateAlarms(tx))
    const notTwice = await run((tx) => escalateAlarms(tx))
    const taken = await run((tx) => acknowledgeAlarm(tx, first.id, 'lead replaced'))
    const takenAgain = await run((tx) => acknowledgeAlarm(tx, first.id), { user: users[1] })
    const worse = await run((tx) => raiseAlarm(tx, { ...input, priority: 'crisis' }))
    const resolved = await run((tx) => resolveAlarm(tx, first.id))
    const resolvedAgain = await run((tx) => resolveAlarm(tx, first.id))
    const next = await run((tx) => raiseAlarm(tx, input))

    assert.deepEqual(again, first)
    assert.deepEqual([passedOn.map(({ id }) => id), passedOn[0]?.escalationLevel, notTwice], [[first.id], 1, []])
    assert.deepEqual([taken.status, taken.acknowledgedBy], ['acknowledged', users[0]])
    assert.deepEqual(takenAgain, taken)
    assert.deepEqual(
      [worse.id, worse.status, worse.priority, worse.acknowledgedBy],
      [first.id, 'active', 'crisis', null],
    )
    assert.deepEqual(resolvedAgain, resolved)
    assert.notEqual(next.id, first.id)
    await assert.rejects(
      run((tx) => acknowledgeAlarm(tx, first.id)),
      IllegalTransitionError,
    )
    await assert.rejects(
      run((tx) => raiseAlarm(tx, { ...input, deviceId: randomUUID() })),
      NotFoundError,
    )
  }))

test('alarms: the next patient of a device has alarms of their own, whatever is still open of the last one', () =>
  withWard(async ({ hospital: { run }, nurse, monitor, patients }) => {
    const input = { deviceId: monitor, assignedBy: nurse, alarmLimits: { spo2: { low: 90 } } }
    const low = (seconds: number) => [{ measuredAt: secondsAgo(seconds), metricCode: 'spo2', value: 80, unit: '%' }]
    const first = await run((tx) => assignDevice(tx, { ...input, patientId: patients[0], from: secondsAgo(60) }))
    await run((tx) => ingestTelemetry(tx, monitor, low(50)))
    const [alarm] = await run((tx) => tx.query<{ id: string }>('select alarm_id as id from device.active_alarms'))
    await run((tx) => acknowledgeAlarm(tx, alarm?.id ?? '', 'probe checked'))
    await run((tx) => unassignDevice(tx, first.id, secondsAgo(40)))
    await run((tx) => assignDevice(tx, { ...input, patientId: patients[1], from: secondsAgo(30) }))

    await run((tx) => ingestTelemetry(tx, monitor, low(20)))
    await run((tx) => ingestTelemetry(tx, monitor, low(10)))

    const alarms = await run((tx) =>
      tx.query('select patient_id as patient, status from device.active_alarms order by raised_at'),
    )
    assert.deepEqual(alarms, [
      { patient: patients[0], status: 'acknowledged' },
      { patient: patients[1], status: 'active' },
    ])
    const events = await run((tx) =>
      tx.query('select event_type from core.outbox_events where event_type = $1', ['device.alarm.v1']),
    )
    assert.equal(events.length, 2)
  }))

test('alarms: one that grows worse is announced again, also when nobody has taken it on', () =>
  withWard(async ({ hospital: { run }, monitor }) => {
    const input = { deviceId: monitor, metricCode: 'ecg_lead', limitKind: 'technical', priority: 'medium' } as const
    const { id } = await run((tx) => raiseAlarm(tx, input))
    await run((tx) => raiseAlarm(tx, { ...input, priority: 'crisis' }))
    await run((tx) => raiseAlarm(tx, { ...input, priority: 'crisis' }))

    const events = await run((tx) =>
      tx.query('select payload from core.outbox_events where aggregate_id = $1 order by aggregate_seq', [id]),
    )
    assert.deepEqual(events, [
      { payload: { id, from: '', to: 'active' } },
      { payload: { id, from: 'active', to: 'active' } },
    ])
  }))

test('ingestTelemetry: a reading that is no reading is refused, and the others of its batch are stored', () =>
  withWard(async ({ hospital: { run }, monitor }) => {
    const good = { measuredAt: secondsAgo(10), metricCode: 'spo2', value: 97, unit: '%' }
    const wrong = [
      { ...good, value: Number.NaN },
      { ...good, value: 'NaN' },
      { ...good, value: 'lead off' },
      { ...good, measuredAt: 'yesterday evening' },
      { ...good, unit: undefined },
      { ...good, quality: 'perfect' },
    ] as unknown as Reading[]

    const result = await run((tx) => ingestTelemetry(tx, monitor, [...wrong, good]))

    assert.deepEqual(result, {
      accepted: 1,
      repeated: 0,
      refused: wrong.map((_, index) => ({ index, reason: 'malformed' })),
      alarms: 0,
    })
  }))

async function addDevice({ run, tenant }: Hospital, kind: string): Promise<string> {
  const id = randomUUID()
  await run((tx) =>
    tx.query(
      `insert into device.devices (tenant_id, id, asset_tag, serial_number, manufacturer, model, kind, protocol)
       values ($1, $2, $3, $3, 'Test', 'One', $3, 'manual')`,
      [tenant, id, kind],
    ),
  )
  return id
}

function accept({ run }: Hospital, deviceId: string, performedAt = new Date()) {
  return run((tx) =>
    recordMaintenance(tx, {
      deviceId,
      kind: 'acceptance',
      result: 'pass',
      performedAt,
      performedBy: 'Test firm',
      nextDueOn: '2099-01-01',
    }),
  )
}

function secondsAgo(seconds: number): Date {
  return new Date(Date.now() - seconds * 1000)
}
