import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import { addDoctors, addPatients, at, openRaceClinic, type RaceClinic } from '../races/clinic.fixture.ts'
import { contextOf } from '../support/tenants.ts'

const clients = 40
let clinic: RaceClinic
let nurse: string
let monitor: string

before(async () => {
  clinic = await openRaceClinic(clients)
  nurse = at(await addDoctors(clinic, 1), 0)
  monitor = await addMonitor('M-1')
})
after(() => clinic.close())

test('assign: forty who want a device for forty patients at the same time: one gets it, the others are refused', async () => {
  const patients = await addPatients(clinic, clients)

  const outcomes = await Promise.all(
    patients.map((patient) =>
      clinic
        .as((tx) => tx.query('select from device.assign($1, $2, $3)', [monitor, nurse, patient]))
        .then(() => 'assigned')
        .catch((error: { sqlstate?: string }) => error.sqlstate),
    ),
  )

  assert.equal(outcomes.filter((outcome) => outcome === 'assigned').length, 1)
  assert.equal(outcomes.filter((outcome) => outcome === 'IM880').length, clients - 1)
})

test('device_assignments: exclusive times that overlap are impossible, whoever writes', async () => {
  const other = await addMonitor('M-2')
  const write = () =>
    asOwner(
      `insert into device.device_assignments (tenant_id, device_id, is_exclusive, period, assigned_by)
       values ($1, $2, true, tstzrange(now(), null), $3)`,
      [clinic.tenant, other, nurse],
    )

  const outcomes = await Promise.all(
    Array.from({ length: 8 }, () =>
      write()
        .then(() => 'written')
        .catch((error: { constraint?: string }) => error.constraint),
    ),
  )

  assert.deepEqual(new Set(outcomes), new Set(['written', 'device_assignments_one_at_a_time']))
  assert.equal(outcomes.filter((outcome) => outcome === 'written').length, 1)
})

test('device_assignments: limits of alarms are numbers, the low one below the high one, of a known priority', async () => {
  const other = await addMonitor('M-3')
  const write = (limits: unknown) =>
    asOwner(
      `insert into device.device_assignments (tenant_id, device_id, period, assigned_by, alarm_limits)
       values ($1, $2, tstzrange(now(), null), $3, $4)`,
      [clinic.tenant, other, nurse, JSON.stringify(limits)],
    )

  for (const limit of [
    { low: '90' },
    { low: null },
    { low: 120, high: 50 },
    { low: 90, high: 90 },
    { min: 90 },
    { priority: 'high' },
    { low: 90, priority: 'urgent' },
    { low: 90, priority: null },
    [],
    90,
    null,
  ])
    await assert.rejects(write({ spo2: limit }), { constraint: 'device_assignments_limits_can_be_held' })
  await assert.rejects(write({ ' ': { low: 90 } }), { constraint: 'device_assignments_limits_can_be_held' })
  await write({ spo2: { low: 90, priority: 'high' }, heart_rate: { low: 50, high: 120 }, temperature: { high: 38.5 } })
})

test('raise_alarm: forty at once make one alarm', async () => {
  const alarms = await Promise.all(
    Array.from({ length: clients }, () =>
      clinic.as((tx) =>
        tx.query<{ id: string }>(`select id from device.raise_alarm($1, 'lead', 'technical', 'low')`, [monitor]),
      ),
    ),
  )

  assert.equal(new Set(alarms.map(([row]) => row?.id)).size, 1)
})

test('telemetry: what was measured stays, and nothing comes from the future', async () => {
  const reading = (measuredAt: string) =>
    asOwner(
      `insert into device.telemetry (tenant_id, measured_at, device_id, metric_code, value, unit, quality, seq)
       values ($1, ${measuredAt}, $2, 'spo2', 97, '%', 'good', 1)`,
      [clinic.tenant, monitor],
    )
  await reading('now()')

  await assert.rejects(reading(`now() + interval '10 minutes'`), { constraint: 'telemetry_not_from_the_future' })
  await assert.rejects(asOwner('update device.telemetry set value = 1', []), { sqlstate: 'IM006' })
  await assert.rejects(asOwner('delete from device.telemetry', []), { sqlstate: 'IM006' })
})

test('telemetry: readings of today are in the partition of today', async () => {
  const rows = await clinic.superuser.query<{ partition: string }>(
    'select distinct tableoid::regclass::text as partition from device.telemetry',
  )

  assert.equal(rows.length, 1)
  assert.match(at(rows, 0).partition, /^device\.telemetry_y\d{4}m\d\dd\d\d$/)
})

test('grants: an application assigns, ingests and resolves by operation only', async () => {
  for (const sql of [
    `update device.devices set status = 'active'`,
    `insert into device.device_assignments (tenant_id) values (null)`,
    `insert into device.telemetry (tenant_id) values (null)`,
    `update device.alarms set status = 'resolved'`,
    `insert into device.device_maintenance (tenant_id) values (null)`,
  ]) {
    await assert.rejects(
      clinic.as((tx) => tx.query(sql)),
      { sqlstate: '42501' },
      sql,
    )
  }
})

async function addMonitor(tag: string): Promise<string> {
  const id = randomUUID()
  await clinic.as(async (tx) => {
    await tx.query(
      `insert into device.devices (tenant_id, id, asset_tag, serial_number, manufacturer, model, kind, protocol)
       values ($1, $2, $3, $3, 'Test', 'One', 'monitor', 'hl7')`,
      [clinic.tenant, id, tag],
    )
    await tx.query(`select from device.record_maintenance($1, 'acceptance', 'pass', now(), 'Test firm')`, [id])
  })
  return id
}

function asOwner(sql: string, params: unknown[]): Promise<unknown> {
  return withTenant(clinic.superuser, contextOf(clinic.tenant), (tx) => tx.query(sql, params))
}
