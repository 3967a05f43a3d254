import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import {
  holdLaboratory,
  orderOnBench,
  type Laboratory,
  type OpenOrder,
} from '../../packages/domain/src/laboratory/laboratory.fixture.ts'
import { recordQc } from '../../packages/domain/src/laboratory/quality-control.ts'
import { issueLabReport } from '../../packages/domain/src/laboratory/reports.ts'
import { authoriseResult, enterResult, verifyResult } from '../../packages/domain/src/laboratory/results.ts'
import { contextOf } from '../support/tenants.ts'

let laboratory: Laboratory
let close: () => Promise<void>
let order: OpenOrder
let lotId: string

before(async () => {
  const held = await holdLaboratory()
  laboratory = held.laboratory
  close = held.close
  order = await orderOnBench(laboratory, ['HB'])
  const { asFirst, asSecond, tests, analyserId, hospital } = laboratory
  const result = await asFirst((tx) => enterResult(tx, { orderItemId: order.items['HB'] ?? '', valueNum: 13 }))
  await asSecond((tx) => verifyResult(tx, result.id))
  await asFirst((tx) => authoriseResult(tx, result.id))
  await asFirst((tx) => issueLabReport(tx, order.orderId))
  const lots = await asFirst((tx) =>
    tx.query<{ id: string }>(
      `insert into laboratory.qc_lots (
         tenant_id, material, lot_number, level, test_id, device_id, mean, sd, source, runs_for_establishment, opened_on,
         expires_on
       )
       values ($1, 'Control', 'C-1', 'L1', $2, $3, 10, 1, 'manufacturer', 1, current_date - 1, current_date + 9)
       returning id`,
      [hospital.tenant, tests.HB, analyserId],
    ),
  )
  lotId = lots[0]?.id ?? ''
  await asFirst((tx) => recordQc(tx, lotId, 10, new Date()))
})
after(() => close())

interface Attempt {
  readonly title: string
  readonly sql: string
  readonly sqlstate: string
  readonly constraint?: string
}

// As superuser, who has every grant: what stops them is the table itself.
const attempts: readonly Attempt[] = [
  {
    title: 'lab_tests: a LOINC code with a wrong check digit is refused',
    sql: `update laboratory.lab_tests set loinc = '718-8' where code = 'HB'`,
    sqlstate: '23514',
    constraint: 'lab_tests_loinc_valid',
  },
  {
    title: 'lab_tests: a numeric test has a unit',
    sql: `update laboratory.lab_tests set unit_ucum = null where code = 'HB'`,
    sqlstate: '23514',
    constraint: 'lab_tests_numeric_has_unit',
  },
  {
    title: 'lab_panel_members: a test is no panel',
    sql: `insert into laboratory.lab_panel_members (tenant_id, panel_id, test_id, seq)
          select a.tenant_id, a.id, b.id, 1 from laboratory.lab_tests a, laboratory.lab_tests b
          where a.code = 'HB' and b.code = 'K'`,
    sqlstate: '23514',
    constraint: 'lab_panel_members_of_panel',
  },
  {
    title: 'lab_panel_members: a panel holds no panel',
    sql: `update laboratory.lab_panel_members set test_id = panel_id`,
    sqlstate: '23514',
    constraint: 'lab_panel_members_no_panel_inside',
  },
  {
    title: 'reference_ranges: two ranges for the same people at the same time are refused',
    sql: `insert into laboratory.reference_ranges (tenant_id, test_id, sex, age_days, pregnancy, valid_during, approved_by)
          select tenant_id, test_id, 'any', '[0,100)', 'any', '[2026-01-01,)', approved_by
          from laboratory.reference_ranges where tenant_id is not null`,
    sqlstate: '23P01',
    constraint: 'reference_ranges_one_at_a_time',
  },
  {
    title: 'reference_ranges: somebody approved a range of the tenant',
    sql: `update laboratory.reference_ranges set approved_by = null where tenant_id is not null`,
    sqlstate: '23514',
    constraint: 'reference_ranges_approved',
  },
  {
    title: 'lab_orders: an order names who asked for it',
    sql: `update laboratory.lab_orders set ordering_doctor_id = null`,
    sqlstate: '23514',
    constraint: 'lab_orders_names_a_requester',
  },
  {
    title: 'lab_orders: the name of a doctor from outside is no Aadhaar number',
    sql: `update laboratory.lab_orders set external_doctor = '2341 2341 2346'`,
    sqlstate: 'IM006',
  },
  {
    title: 'samples: nothing is collected from a patient who was not identified',
    sql: `update laboratory.samples set patient_id_check = 'not_done'`,
    sqlstate: '23514',
    constraint: 'samples_collected_from_identified_patient',
  },
  {
    title: 'samples: a compromised sample is accepted with a stated exception only',
    sql: `update laboratory.samples set receipt_condition = 'clotted'`,
    sqlstate: '23514',
    constraint: 'samples_exception_stated',
  },
  {
    title: 'samples: a state cannot be taken back',
    sql: `update laboratory.samples set status = 'planned'`,
    sqlstate: 'IM001',
  },
  {
    title: 'sample_events: the chain of custody is never rewritten',
    sql: `update laboratory.sample_events set actor_id = sample_id`,
    sqlstate: 'IM006',
  },
  {
    title: 'sample_events: nor shortened',
    sql: `delete from laboratory.sample_events`,
    sqlstate: 'IM006',
  },
  {
    title: 'lab_results: a released value stays (IM311)',
    sql: `update laboratory.lab_results set value_num = 14`,
    sqlstate: 'IM311',
  },
  {
    title: 'lab_results: so do its flag and who signed it',
    sql: `update laboratory.lab_results set authorised_by = verified_by`,
    sqlstate: 'IM311',
  },
  {
    title: 'lab_results: an analyser without quality control releases nothing, whoever writes (IM310)',
    sql: `insert into laboratory.lab_results (
            tenant_id, order_item_id, sample_id, test_id, patient_id, resulted_at, value_num, device_id, verified_by,
            authorised_by, supersedes_id, amendment_reason, status
          )
          select r.tenant_id, r.order_item_id, r.sample_id, r.test_id, r.patient_id, r.resulted_at, 9, d.id,
            r.verified_by, r.authorised_by, r.id, 'test', 'corrected'
          from laboratory.lab_results r
          join device.devices d on d.tenant_id = r.tenant_id
          where r.tenant_id = core.current_tenant_id()`,
    sqlstate: 'IM310',
  },
  {
    title: 'lab_results: one live result a test',
    sql: `insert into laboratory.lab_results (
            tenant_id, order_item_id, sample_id, test_id, patient_id, resulted_at, value_num, status
          )
          select tenant_id, order_item_id, sample_id, test_id, patient_id, resulted_at, 9, 'preliminary'
          from laboratory.lab_results`,
    sqlstate: '23505',
    constraint: 'lab_results_one_live_per_test',
  },
  {
    title: 'diagnostic_reports: what an issued version states stays (IM311)',
    sql: `update laboratory.diagnostic_reports set result_ids = '{}'`,
    sqlstate: 'IM311',
  },
  {
    title: 'diagnostic_reports: one version is current',
    sql: `insert into laboratory.diagnostic_reports (
            tenant_id, report_number, order_id, patient_id, version, signed_by, issued_at, amends_id, amendment_reason,
            status
          )
          select tenant_id, report_number, order_id, patient_id, 2, signed_by, issued_at, id, 'test', 'amended'
          from laboratory.diagnostic_reports
          where tenant_id = core.current_tenant_id()`,
    sqlstate: '23505',
    constraint: 'diagnostic_reports_one_current',
  },
  {
    title: 'diagnostic_reports: a later version says why',
    sql: `insert into laboratory.diagnostic_reports (
            tenant_id, report_number, order_id, patient_id, version, signed_by, issued_at, status
          )
          select tenant_id, report_number, order_id, patient_id, 2, signed_by, issued_at, 'amended'
          from laboratory.diagnostic_reports
          where tenant_id = core.current_tenant_id()`,
    sqlstate: '23514',
    constraint: 'diagnostic_reports_amended_with_reason',
  },
  {
    title: 'qc_lots: a lot that nobody accepted is not in use',
    sql: `update laboratory.qc_lots set status = 'active' where tenant_id = core.current_tenant_id()`,
    sqlstate: '23514',
    constraint: 'qc_lots_active_was_accepted',
  },
  {
    title: 'qc_lots: only rules that are known',
    sql: `update laboratory.qc_lots set rules = '{7_T}'`,
    sqlstate: '23514',
    constraint: 'qc_lots_rules_known',
  },
  {
    title: 'qc_results: a verdict is not mended (IM311)',
    sql: `update laboratory.qc_results set verdict = 'accept', z_score = 0, value = 9`,
    sqlstate: 'IM311',
  },
  {
    title: 'qc_results: a run is not deleted',
    sql: `delete from laboratory.qc_results`,
    sqlstate: 'IM006',
  },
]

for (const { title, sql, sqlstate, constraint } of attempts) {
  test(title, async () => {
    const { admin, tenant } = laboratory.hospital
    await assert.rejects(
      withTenant(admin, contextOf(tenant), (tx) => tx.query(sql)),
      constraint ? { sqlstate, constraint } : { sqlstate },
    )
  })
}

test('grants: an application moves no sample, writes no result, report or run by itself', async () => {
  for (const sql of [
    `update laboratory.samples set status = 'disposed'`,
    `insert into laboratory.sample_events (tenant_id) values (null)`,
    `update laboratory.lab_results set value_num = 1`,
    `insert into laboratory.lab_results (tenant_id) values (null)`,
    `update laboratory.diagnostic_reports set status = 'final'`,
    `insert into laboratory.critical_notifications (tenant_id) values (null)`,
    `insert into laboratory.qc_results (tenant_id) values (null)`,
    `update laboratory.qc_lots set mean = 1`,
    `update laboratory.lab_orders set status = 'completed'`,
    `update laboratory.lab_order_items set status = 'reported'`,
  ]) {
    await assert.rejects(
      laboratory.asFirst((tx) => tx.query(sql)),
      { sqlstate: '42501' },
      sql,
    )
  }
})

test('reference ranges: the tenant, then the sex of the patient comes first, and unknown ages get ranges for all ages only', async () => {
  const { asFirst, tests, staff, patientId, hospital } = laboratory
  const add = (sex: string, age: string, low: number) =>
    asFirst((tx) =>
      tx.query(
        `insert into laboratory.reference_ranges
           (tenant_id, test_id, sex, age_days, pregnancy, low, high, valid_during, approved_by)
         values ($1, $2, $3, $4, 'any', $5, 99, '[2020-01-01,)', $6)`,
        [hospital.tenant, tests.K, sex, age, low, staff[0]],
      ),
    )
  await add('any', '[0,36500)', 1)
  await add('female', '[0,36500)', 2)
  const lowOf = async (sex: string, born: string | null) => {
    const [row] = await withTenant(hospital.admin, contextOf(hospital.tenant), async (tx) => {
      await tx.query('update patient.patients set sex = $2, birth_date = $3 where id = $1', [patientId, sex, born])
      return tx.query<{ low: string | null }>(
        'select low from laboratory.find_reference_range($1, $2, false, current_date)',
        [tests.K, patientId],
      )
    })
    return row?.low ?? null
  }

  assert.equal(await lowOf('female', '1980-01-01'), '2')
  assert.equal(await lowOf('male', '1980-01-01'), '1')
  assert.equal(await lowOf('male', null), null)
})

test('views: the turnaround monitor holds what is not reported, and the list of calls what nobody read back', async () => {
  const { asFirst, hospital } = laboratory
  const open = await orderOnBench(laboratory, ['HB'])
  await asFirst((tx) => enterResult(tx, { orderItemId: open.items['HB'] ?? '', valueNum: 5 }))

  const tat = await asFirst((tx) => tx.query('select order_id, is_late from laboratory.tat_monitor'))
  const calls = await asFirst((tx) => tx.query('select order_id, attempts::int from laboratory.unnotified_criticals'))

  assert.deepEqual(tat, [{ order_id: open.orderId, is_late: false }])
  assert.deepEqual(calls, [{ order_id: open.orderId, attempts: 0 }])
  const other = await withTenant(hospital.app, contextOf(randomUUID()), (tx) =>
    tx.query('select order_id from laboratory.tat_monitor'),
  )
  assert.deepEqual(other, [])
})

test('results: an age is counted in days of the clinic', async () => {
  const { asFirst, patientId, hospital } = laboratory
  // born at one in the morning: in London it was the day before
  const { items } = await orderOnBench(laboratory, ['K'])
  const entered = await asFirst((tx) => enterResult(tx, { orderItemId: items['K'] ?? '', valueNum: 4 }))
  const [judged] = await withTenant(hospital.admin, contextOf(hospital.tenant), async (tx) => {
    await tx.query(`update facility.clinics set timezone = 'Asia/Kolkata' where id = $1`, [hospital.clinicId])
    await tx.query(`update patient.patients set sex = 'male', birth_date = '2026-03-05' where id = $1`, [patientId])
    return tx.query(
      `select (laboratory.judge(
         jsonb_populate_record(r, '{"resulted_at": "2026-03-04T20:00:00Z"}'), t, false
       )).reference_text as range
       from laboratory.lab_results r
       join laboratory.lab_tests t on t.id = r.test_id
       where r.id = $1`,
      [entered.id],
    )
  })

  assert.deepEqual(judged, { range: '1 - 99' })
})
