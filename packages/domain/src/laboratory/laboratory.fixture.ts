import { randomUUID } from 'node:crypto'
import type { Transaction } from '@imhotep/postgres'
import { addPatient, digest, withHospital, type Hospital } from '../hospital.fixture.ts'
import { single } from '../rows.ts'
import { placeLabOrder } from './orders.ts'
import { accessionOrder, changeSampleState } from './samples.ts'
import type { Sample } from './rows.ts'

/**
 * A laboratory of two people. HB (blood, edta) is done by two, with a range of 12 to 16 g/dL, critical below 7 and above 20;
 * K and NA (serum, plain) by one; KNA is the panel of those.
 */
export interface Laboratory {
  readonly hospital: Hospital
  readonly patientId: string
  readonly doctorId: string
  /** Members of staff of the hospital's two users. */
  readonly staff: readonly [string, string]
  readonly analyserId: string
  readonly tests: Readonly<Record<'HB' | 'K' | 'NA' | 'KNA', string>>
  /** Runs work as the first, or the second, of the two. */
  readonly asFirst: <T>(work: (tx: Transaction) => Promise<T>) => Promise<T>
  readonly asSecond: <T>(work: (tx: Transaction) => Promise<T>) => Promise<T>
}

export async function openLaboratory(hospital: Hospital): Promise<Laboratory> {
  const { tenant, run, users, departmentId } = hospital
  const staff = [randomUUID(), randomUUID()] as const
  const [doctorId, analyserId] = [randomUUID(), randomUUID()]
  const tests = { HB: randomUUID(), K: randomUUID(), NA: randomUUID(), KNA: randomUUID() }
  await run(async (tx) => {
    for (const [index, id] of staff.entries()) {
      await tx.query(
        `insert into workforce.staff (
           tenant_id, id, employee_code, user_id, given_name, sex, phone_enc, phone_bidx, kind, department_id, designation,
           employment_type, joined_on
         )
         values ($1, $2, $3, $4, 'Test', 'unknown', $5, $5, 'lab_scientist', $6, 'Test', 'full_time', '2020-01-01')`,
        [tenant, id, `E-${'ab'[index]}`, users[index], digest(id), departmentId],
      )
    }
    await tx.query(
      `insert into workforce.doctors (tenant_id, id, staff_id, registration_no, registration_council, qualification)
       values ($1, $2, $3, 'R-a', 'Test council', 'MBBS')`,
      [tenant, doctorId, staff[1]],
    )
    await tx.query(
      `insert into device.devices (tenant_id, id, asset_tag, serial_number, manufacturer, model, kind, protocol)
       values ($1, $2, 'AN-1', 'S-1', 'Test', 'One', 'analyser', 'astm')`,
      [tenant, analyserId],
    )
    await tx.query(
      `insert into laboratory.lab_tests (
         tenant_id, id, code, name, kind, department_code, specimen_type, container, result_type, unit_ucum, tat_minutes,
         stat_tat_minutes, stability_hours, transport_temp, delta_check_pct, requires_authorisation, active
       )
       values
         ($1, $2, 'HB', 'Haemoglobin', 'test', 'haematology', 'blood', 'edta', 'numeric', 'g/dL', 120, 30, 24, 'ambient', 20, true, true),
         ($1, $3, 'K', 'Potassium', 'test', 'biochemistry', 'serum', 'plain', 'numeric', 'mmol/L', 240, 45, 4, 'ambient', null, false, true),
         ($1, $4, 'NA', 'Sodium', 'test', 'biochemistry', 'serum', 'plain', 'numeric', 'mmol/L', 240, 45, 4, 'ambient', null, false, true),
         ($1, $5, 'KNA', 'Electrolytes', 'panel', 'biochemistry', null, null, null, null, 240, null, null, 'ambient', null, false, true)`,
      [tenant, tests.HB, tests.K, tests.NA, tests.KNA],
    )
    await tx.query(
      `insert into laboratory.lab_panel_members (tenant_id, panel_id, test_id, seq)
       values ($1, $2, $3, 1), ($1, $2, $4, 2)`,
      [tenant, tests.KNA, tests.K, tests.NA],
    )
    await tx.query(
      `insert into laboratory.reference_ranges (
         tenant_id, test_id, sex, age_days, pregnancy, low, high, critical_low, critical_high, reportable_low,
         reportable_high, valid_during, approved_by
       )
       values ($1, $2, 'any', '(,)', 'any', 12, 16, 7, 20, 2, 25, '[2020-01-01,)', $3)`,
      [tenant, tests.HB, staff[1]],
    )
  })
  return {
    hospital,
    patientId: await addPatient(hospital, 'Asha'),
    doctorId,
    staff,
    analyserId,
    tests,
    asFirst: (work) => run(work, { user: users[0] }),
    asSecond: (work) => run(work, { user: users[1] }),
  }
}

/** The parts of an order that tests work with. */
export interface OpenOrder {
  readonly orderId: string
  /** By code of the test. */
  readonly items: Readonly<Record<string, string>>
  readonly samples: readonly Sample[]
}

/** Orders tests and plans their samples. */
export async function orderTests(laboratory: Laboratory, codes: readonly string[]): Promise<OpenOrder> {
  const { patientId, doctorId, hospital, asFirst } = laboratory
  return asFirst(async (tx) => {
    const order = await placeLabOrder(tx, {
      patientId,
      codes,
      clinicId: hospital.clinicId,
      orderingDoctorId: doctorId,
    })
    const samples = await accessionOrder(tx, order.id)
    return { orderId: order.id, items: await itemsOf(tx, order.id), samples }
  })
}

/** Orders tests and brings their samples into the laboratory, ready to be measured. */
export async function orderOnBench(laboratory: Laboratory, codes: readonly string[]): Promise<OpenOrder> {
  const order = await orderTests(laboratory, codes)
  for (const sample of order.samples) await bringToBench(laboratory, sample.id)
  return order
}

/** Collected, received, accessioned. */
export async function bringToBench({ asFirst }: Laboratory, sampleId: string): Promise<void> {
  await asFirst(async (tx) => {
    await changeSampleState(tx, { sampleId, to: 'collected', patientIdCheck: 'two_identifiers', volumeMl: 3 })
    await changeSampleState(tx, { sampleId, to: 'received' })
    await changeSampleState(tx, { sampleId, to: 'accessioned' })
  })
}

async function itemsOf(tx: Transaction, orderId: string): Promise<Record<string, string>> {
  const rows = await tx.query<{ code: string; id: string }>(
    `select t.code, i.id
     from laboratory.lab_order_items i
     join laboratory.lab_tests t on t.id = i.test_id
     where i.order_id = $1`,
    [orderId],
  )
  return Object.fromEntries(rows.map(({ code, id }) => [code, id]))
}

/** Status of the order and of its items in their order: `completed: reported reported`. */
export async function statusOf({ asFirst }: Laboratory, orderId: string): Promise<string> {
  const rows = await asFirst((tx) =>
    tx.query<{ status: string }>(
      `select o.status || ': ' || string_agg(i.status, ' ' order by i.position) as status
       from laboratory.lab_orders o
       join laboratory.lab_order_items i on i.tenant_id = o.tenant_id and i.order_id = o.id
       where o.id = $1
       group by o.id, o.status`,
      [orderId],
    ),
  )
  return single(rows).status
}

/** A laboratory for a whole file of tests: `close` in after. */
export async function holdLaboratory(): Promise<{ laboratory: Laboratory; close: () => Promise<void> }> {
  let letGo: () => void = () => undefined
  let closed: Promise<void> = Promise.resolve()
  const laboratory = await new Promise<Laboratory>((resolve, reject) => {
    closed = withHospital(async (hospital) => {
      resolve(await openLaboratory(hospital))
      await new Promise<void>((done) => {
        letGo = done
      })
    })
    closed.catch(reject)
  })
  return {
    laboratory,
    close: () => {
      letGo()
      return closed
    },
  }
}
