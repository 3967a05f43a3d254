import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import type { RaceClinic } from '../races/clinic.fixture.ts'
import { contextOf, moveToAnotherDay } from '../support/tenants.ts'
import { identifier, openClinic, register, registered } from './patients.fixture.ts'

/** Twelve digits with a right Verhoeff check digit, as an Aadhaar number has; nobody's. */
const aadhaarLike = '999999990019'
let clinic: RaceClinic

before(async () => {
  clinic = await openClinic()
})
after(() => clinic.close())

test('calculate_bmi: kilograms over metres squared, one decimal; null when a value is missing', async () => {
  const [row] = await clinic.as((tx) =>
    tx.query(`
      select
        patient.calculate_bmi(70, 175)::text as usual, patient.calculate_bmi(3.4, 50)::text as newborn,
        patient.calculate_bmi(null, 175) as unknown`),
  )

  assert.deepEqual(row, { usual: '22.9', newborn: '13.6', unknown: null })
})

for (const [weight, height] of [
  [0, 175],
  [-5, 175],
  [70, 1.75],
  [70, 301],
]) {
  test(`calculate_bmi: refuses ${weight} kg and ${height} cm (22003)`, async () => {
    await assert.rejects(
      clinic.as((tx) => tx.query('select patient.calculate_bmi($1::numeric, $2::numeric)', [weight, height])),
      { sqlstate: '22003' },
    )
  })
}

test('Aadhaar: refused in every plaintext column, in any grouping (IM006); the value is not repeated', async () => {
  const grouped = aadhaarLike.replace(/(\d{4})(?=\d)/g, '$1 ')
  const attempts = [
    { given_name: 'A', mrn: aadhaarLike },
    { given_name: grouped },
    { given_name: 'A', family_name: `Rao ${aadhaarLike}` },
    { given_name: 'A', emr_id: grouped.replaceAll(' ', '-') },
  ]

  for (const demographics of attempts) {
    await assert.rejects(
      clinic.as((tx) => register(tx, clinic, demographics)),
      (error: Error & { sqlstate?: string }) => error.sqlstate === 'IM006' && !error.message.includes('9999'),
    )
  }
  await assert.rejects(
    registered(
      clinic,
      { given_name: 'Card' },
      { identifiers: [identifier('national_id', 'x', { assigner: aadhaarLike })] },
    ),
    { sqlstate: 'IM006' },
  )
})

test('Aadhaar: twelve digits with another check digit pass', async () => {
  const answer = await clinic.as((tx) => register(tx, clinic, { given_name: 'Digits', mrn: '999999990018' }))

  assert.equal(answer.mrn, '999999990018')
})

test('patient_summary: one row a patient, with what the module knows of them', async () => {
  const id = await registered(
    clinic,
    { given_name: 'Summary', family_name: 'Row', birth_date: '2000-01-01' },
    { identifiers: [identifier('passport', 'S-1')] },
  )

  const [row] = await clinic.as((tx) =>
    tx.query(
      'select full_name, identifier_kinds, abha_verified, merged_duplicates::int from patient.patient_summary where patient_id = $1',
      [id],
    ),
  )

  assert.deepEqual(row, {
    full_name: 'Summary Row',
    identifier_kinds: ['passport'],
    abha_verified: false,
    merged_duplicates: 0,
  })
})

test('patient_summary: the age at death counts the days where the tenant is', async () => {
  const ids = [await registered(clinic, { given_name: 'Last' }), await registered(clinic, { given_name: 'Next' })]

  const ages = await withTenant(clinic.superuser, contextOf(clinic.tenant), async (tx) => {
    await moveToAnotherDay(tx, clinic.tenant)
    for (const [day, id] of ids.entries()) {
      await tx.query(
        `update patient.patients
         set status = 'deceased', deceased_at = now(), birth_date = core.tenant_today() + $2::int - interval '50 years'
         where id = $1`,
        [id, day],
      )
    }
    const rows = await tx.query<{ age: number }>(
      'select age_years as age from patient.patient_summary where patient_id = any ($1) order by birth_date',
      [ids],
    )
    await tx.query(`update core.tenants set timezone = 'Asia/Kolkata' where id = $1`, [clinic.tenant])
    return rows.map(({ age }) => age)
  })

  assert.deepEqual(ages, [50, 49], 'of the birthday, and of the day before')
})
