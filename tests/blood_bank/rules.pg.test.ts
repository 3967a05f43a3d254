import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { recordCrossmatch } from '../../packages/domain/src/blood_bank/crossmatch.ts'
import {
  addDonation,
  addDonor,
  addRecipient,
  addRequest,
  addUnit,
  healthy,
  openBloodBank,
  testDonation,
  type BloodBank,
} from '../../packages/domain/src/blood_bank/blood-bank.fixture.ts'
import { screenDonor } from '../../packages/domain/src/blood_bank/donations.ts'
import { issueUnit, returnUnit } from '../../packages/domain/src/blood_bank/issue.ts'

let bank: BloodBank

before(async () => {
  bank = await openBloodBank()
})
after(() => bank.close())

test('match_of: the matrix of red cells, plasma, whole blood and platelets, and what goes to whom without a group', async () => {
  const groups = ['O-', 'O+', 'A-', 'A+', 'B-', 'B+', 'AB-', 'AB+']
  const rows = await bank.admin.query<{ component: string; recipient: string | null; donors: string[] }>(
    `select component, recipient, array_agg(donor order by array_position($1::text[], donor)) filter (
       where blood_bank.match_of(recipient, component, rtrim(donor, '+-'), case when donor like '%+' then 'pos' else 'neg' end)
         in ('identical', 'compatible')
     ) as donors
     from unnest(array['PRBC', 'FFP', 'WB', 'PLT_RDP']) component, unnest($1::text[]) donor,
       unnest(array[null, 'O-', 'A+', 'AB+']) recipient
     group by component, recipient`,
    [groups],
  )
  const donors = Object.fromEntries(rows.map((row) => [`${row.component} ${row.recipient}`, row.donors?.join(' ')]))

  assert.equal(donors['PRBC O-'], 'O-')
  assert.equal(donors['PRBC A+'], 'O- O+ A- A+')
  assert.equal(donors['PRBC AB+'], groups.join(' '))
  assert.equal(donors['PRBC null'], 'O-')
  assert.equal(donors['FFP O-'], groups.join(' '))
  assert.equal(donors['FFP A+'], 'A- A+ AB- AB+')
  assert.equal(donors['FFP AB+'], 'AB- AB+')
  assert.equal(donors['FFP null'], 'AB- AB+')
  assert.equal(donors['WB A+'], 'A+')
  assert.equal(donors['WB null'], undefined)
  assert.equal(donors['PLT_RDP A+'], 'A- A+ AB- AB+')
})

test('donations: a donor who may not give cannot be made eligible, not even by hand', async () => {
  const young = await addDonor(bank)
  await bank.force(
    `update blood_bank.donors set birth_date = current_date - interval '17 years', created_at = now() + interval '2 years'
     where id = $1`,
    [young],
  )

  await assert.rejects(insertDonation(young), { sqlstate: 'IM359' })
  await assert.rejects(insertDonation(await addDonor(bank), 11), { sqlstate: 'IM359' })
})

test('donations: a tenant sets only the limits that differ', async () => {
  await bank.force(
    `insert into core.system_settings (tenant_id, key, value, value_type, description)
     values ($1, 'bloodbank.donor', '{"min_haemoglobin_g_dl": 13.5}', 'json', 'Stricter here.')`,
    [bank.tenant],
  )
  const donorId = await addDonor(bank)

  const donation = await bank.run((tx) =>
    screenDonor(tx, { ...healthy, donorId, screenedBy: bank.staff[0], haemoglobinGDl: 13 }),
  )
  await bank.force(`delete from core.system_settings where tenant_id = $1 and key = 'bloodbank.donor'`, [bank.tenant])

  assert.deepEqual([donation.status, donation.deferralReason], ['deferred', 'low_haemoglobin'])
})

test('donation_tests: the tester cannot be the verifier, and an expired kit gives no result', async () => {
  const { id } = await addDonation(bank)
  const insert = (verifiedBy: string, expiry: string) =>
    bank.force(
      `with entered as (
         insert into blood_bank.donation_tests (tenant_id, id, donation_id, test, method, kit_lot, kit_expiry, result, tested_by)
         values ($1, $2, $3, 'HIV', 'clia', 'K', $4, 'non_reactive', $5) returning id
       ) select 1`,
      [bank.tenant, verifiedBy, id, expiry, bank.staff[0]],
    )
  const testId = randomUUID()

  await assert.rejects(insert(randomUUID(), '2020-01-01'), { constraint: 'donation_tests_kit_in_date' })
  await insert(testId, '2099-01-01')
  await assert.rejects(
    bank.force(`update blood_bank.donation_tests set status = 'verified', verified_by = tested_by where id = $1`, [
      testId,
    ]),
    { constraint: 'donation_tests_verified_by_second_person' },
  )
})

test('blood_components: no unit is usable before its donation is clear, and none beyond its shelf life', async () => {
  const { id } = await addDonation(bank)
  const unit = await insertUnit(id, 30)

  await assert.rejects(setUnit(unit, `status = 'available', abo = 'A', rhd = 'pos'`), { sqlstate: 'IM350' })
  await testDonation(bank, id, 'A+')
  await assert.rejects(setUnit(unit, `status = 'available', abo = 'B', rhd = 'pos'`), { sqlstate: 'IM350' })
  await setUnit(unit, `status = 'available', abo = 'A', rhd = 'pos'`)
  await assert.rejects(setUnit(unit, `expires_at = now() + interval '36 days'`), { sqlstate: 'IM351' })
  await assert.rejects(setUnit(unit, `status = 'reserved'`), { constraint: 'blood_components_kept_for_one_request' })

  const reactive = await addDonation(bank)
  const other = await insertUnit(reactive.id, 30)
  await testDonation(bank, reactive.id, 'A+', ['SYPHILIS'])
  await assert.rejects(setUnit(other, `status = 'available', abo = 'A', rhd = 'pos'`), { sqlstate: 'IM356' })
})

test('component_events: the trail is never changed, and nothing is restocked after 30 minutes', async () => {
  const unit = await addUnit(bank, 'O+')

  await assert.rejects(bank.force('delete from blood_bank.component_events where component_id = $1', [unit.id]), {
    sqlstate: 'IM006',
  })
  for (const minutes of [31, null]) {
    await assert.rejects(
      bank.force(
        `insert into blood_bank.component_events (tenant_id, component_id, from_status, to_status, actor_id, out_of_storage_minutes)
         values ($1, $2, 'returned', 'available', $3, $4)`,
        [bank.tenant, unit.id, bank.staff[0], minutes],
      ),
      { constraint: 'component_events_restocked_within_30_minutes' },
    )
  }
})

test('crossmatches and issues: 72 hours, a doctor or a crossmatch, one live issue, two checkers, never too many units', async () => {
  const recipient = await addRecipient(bank, 'O+')
  const [request, other] = [await addRequest(bank, recipient), await addRequest(bank, recipient)]
  const unit = await addUnit(bank, 'O+', 'PRBC', 20)
  const [issuedBy, receivedBy] = bank.staff
  const insertIssue = (requestId: string, crossmatchId: string | null) =>
    bank.force(
      `insert into blood_bank.blood_issues (
         tenant_id, issue_number, component_id, request_id, crossmatch_id, patient_id, issued_by, received_by, label_check_by
       )
       values ($1, $2, $3, $4, $5, $6, $7, $8, $7)`,
      [bank.tenant, randomUUID(), unit.id, requestId, crossmatchId, recipient.patientId, issuedBy, receivedBy],
    )

  await assert.rejects(insertIssue(request.id, null), { sqlstate: 'IM353' })
  const crossmatch = await bank.run((tx) =>
    recordCrossmatch(tx, {
      requestId: request.id,
      componentId: unit.id,
      sampleId: recipient.samples[0],
      method: 'gel',
      performedBy: issuedBy,
      result: 'compatible',
      reason: 'chosen for the test',
    }),
  )
  await assert.rejects(
    bank.force(`update blood_bank.crossmatches set valid_until = valid_until + interval '1 second' where id = $1`, [
      crossmatch.id,
    ]),
    { constraint: 'crossmatches_valid_72_hours_at_most' },
  )
  const issued = await bank.run((tx) =>
    issueUnit(tx, { componentId: unit.id, requestId: request.id, issuedBy, receivedBy, labelCheckBy: issuedBy }),
  )
  await assert.rejects(insertIssue(other.id, crossmatch.id), { constraint: 'blood_issues_one_live_issue' })
  await assert.rejects(
    bank.force(`update blood_bank.blood_issues set bedside_check1_by = $2, bedside_check2_by = $2 where id = $1`, [
      issued.id,
      issuedBy,
    ]),
    { constraint: 'blood_issues_two_different_checkers' },
  )
  await assert.rejects(
    bank.force(`update blood_bank.blood_requests set units_issued = 2 where id = $1`, [request.id]),
    { sqlstate: '23514' },
  )
})

test('a stay does not end while a unit for it is out (IM203), and ends once the unit is back', async () => {
  const recipient = await addRecipient(bank, 'AB+')
  const request = await addRequest(bank, recipient, 1, 'FFP')
  const unit = await addUnit(bank, 'AB+', 'FFP')
  const [issuedBy, receivedBy] = bank.staff
  const admission = randomUUID()
  await bank.force(
    `insert into clinical.admissions (
       tenant_id, id, encounter_id, admission_number, admission_type, requested_at, care_class, admitting_doctor_id
     )
     values ($1, $2::uuid, $3, 'IPD-' || $2::uuid, 'elective', now(), 'general', $4)`,
    [bank.tenant, admission, recipient.encounterId, bank.doctor],
  )
  const discharge = () =>
    bank.force(`update clinical.admissions set status = 'clinically_discharged' where id = $1`, [admission])
  const issued = await bank.run((tx) =>
    issueUnit(tx, { componentId: unit.id, requestId: request.id, issuedBy, receivedBy, labelCheckBy: issuedBy }),
  )

  await assert.rejects(discharge(), { sqlstate: 'IM203' })
  await bank.run((tx) =>
    returnUnit(tx, {
      issueId: issued.id,
      minutesOut: 5,
      sealIntact: true,
      returnedBy: receivedBy,
      takenBackBy: issuedBy,
      reason: 'discharged',
    }),
  )
  // what is left is the state machine of the admission, which knows no such short cut
  await assert.rejects(discharge(), { sqlstate: 'IM001' })
})

test('an application writes through operations only', async () => {
  for (const table of ['blood_components', 'blood_issues', 'blood_requests', 'crossmatches', 'donation_tests']) {
    await assert.rejects(
      bank.run((tx) => tx.query(`update blood_bank.${table} set status = status`)),
      { sqlstate: '42501' },
    )
  }
  await assert.rejects(
    bank.run((tx) => tx.query('select blood_bank.lock_unit(gen_random_uuid())')),
    { sqlstate: '42501' },
  )
})

function insertDonation(donorId: string, haemoglobin = 14): Promise<unknown> {
  return bank.force(
    `insert into blood_bank.donations (
       tenant_id, donor_id, kind, donation_site, screened_by, weight_kg, haemoglobin_g_dl, systolic, diastolic, pulse,
       temperature_c, eligible
     )
     values ($1, $2, 'whole_blood', 'centre', $3, 70, $4, 120, 80, 72, 36.8, true)`,
    [bank.tenant, donorId, bank.staff[0], haemoglobin],
  )
}

async function insertUnit(donationId: string, days: number): Promise<string> {
  const id = randomUUID()
  await bank.force(
    `insert into blood_bank.blood_components (
       tenant_id, id, donation_id, din, product_code, component, volume_ml, expires_at, storage_location_id, storage_temp
     )
     select $1, $2, d.id, d.din, 'E0150V00', 'PRBC', 280, now() + make_interval(days => $4), $5, '[2,6]'
     from blood_bank.donations d where d.id = $3`,
    [bank.tenant, id, donationId, days, bank.refrigerator],
  )
  return id
}

function setUnit(id: string, changes: string): Promise<unknown> {
  return bank.force(`update blood_bank.blood_components set ${changes} where id = $1`, [id])
}
