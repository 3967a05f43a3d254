// Each rule of the clinical tables, against somebody who tries to break it: one statement on the rows of the demo, as a
// superuser, whom neither grants nor row level security stop.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import { connect, DatabaseError, type Database } from '@imhotep/postgres'
import { demoDatabase, type TestDatabase } from '../support/database.ts'
import { contextOf } from '../support/tenants.ts'

const tenant = 'da000000-0000-7000-8000-000000000000'
const doctor = 'da000000-0005-7000-8000-000000000004'
let database: TestDatabase
let superuser: Database
let app: Database

before(async () => {
  database = await demoDatabase()
  superuser = connect(database.url)
  app = connect(database.appUrl)
})
after(async () => {
  await superuser.close()
  await app.close()
  await database.drop()
})

/** What is tried, and the constraint or code that refuses it. */
const refused: Record<string, [statement: string | string[], refusal: string][]> = {
  'an encounter': [
    [`update clinical.encounters set is_mlc = true where mlc_number is null`, 'encounters_mlc_has_number'],
    [
      `update clinical.encounters set police_intimated_at = now() where not is_mlc`,
      'encounters_police_told_of_mlc_only',
    ],
    [`update clinical.encounters set triage_level = 6`, 'encounters_triage_level_1_to_5'],
    [`update clinical.encounters set isolation = 'balcony'`, 'encounters_isolation_check'],
    [`update clinical.encounters set parent_encounter_id = id`, 'encounters_not_own_parent'],
    [
      `update clinical.encounters set status = 'finished' where status = 'in_progress'`,
      'encounters_finished_has_end_and_disposition',
    ],
    [`update clinical.encounters set status = 'planned' where status = 'finished'`, 'IM001'],
    [`update clinical.encounters set status = 'entered_in_error' where status = 'finished'`, 'IM002'],
    [`update clinical.encounters set referred_by = '999999990019'`, 'IM006'],
    [`update clinical.encounters set encounter_number = 'the same'`, 'encounters_encounter_number_key'],
  ],
  'an admission': [
    [`update clinical.admissions set care_class = 'palace'`, 'admissions_care_class_check'],
    [
      `update clinical.admissions set physically_left_at = admitted_at - interval '1 day'`,
      'admissions_left_after_admission',
    ],
    [`update clinical.admissions set admitted_at = null`, 'admissions_admitted_has_time'],
    [
      `update clinical.admissions set status = 'discharge_ordered' where status = 'admitted'`,
      'admissions_discharge_has_order',
    ],
    [
      `update clinical.admissions set pharmacy_cleared_at = null where status = 'discharged'`,
      'admissions_discharged_was_cleared',
    ],
    [`update clinical.admissions set status = 'requested' where status = 'admitted'`, 'IM001'],
  ],
  'a care team': [
    [`update clinical.care_team_members set period = tstzrange(null, now())`, 'care_team_members_period_has_start'],
    [
      `insert into clinical.care_team_members (tenant_id, encounter_id, staff_id, role)
       select tenant_id, encounter_id, staff_id, role from clinical.care_team_members where upper_inf(period)`,
      'care_team_members_once_at_a_time',
    ],
  ],
  'a condition': [
    [`update clinical.conditions set icd10 = 'k80'`, 'conditions_icd10_valid'],
    [
      `update clinical.conditions set code_system = 'http://snomed.info/sct', code = '123456'`,
      'conditions_snomed_code_valid',
    ],
    [`update clinical.conditions set category = 'family_history'`, 'conditions_family_history_names_relative'],
    [
      `update clinical.conditions set onset_on = '2026-01-02', abatement_on = '2026-01-01'`,
      'conditions_ends_after_onset',
    ],
    [`update clinical.conditions set rank = 0`, 'conditions_rank_positive'],
    [
      `insert into clinical.conditions (tenant_id, patient_id, encounter_id, category, code_system, code, display, rank, asserted_by)
       select tenant_id, patient_id, encounter_id, category, code_system, 'K81', 'Other', 1, asserted_by
       from clinical.conditions where category = 'final'`,
      'conditions_one_principal_diagnosis',
    ],
    [
      `update clinical.conditions set patient_id = (select patient_id from clinical.vaccination_records limit 1)`,
      'conditions_patient_of_encounter',
    ],
    [`update clinical.conditions set verification_status = 'entered_in_error'`, 'IM002'],
    [`update clinical.conditions set display = 'Aadhaar 9999 9999 0019'`, 'IM006'],
  ],
  'an allergy': [
    [`update clinical.allergies set code = null where kind = 'allergy'`, 'allergies_names_substance'],
    [`update clinical.allergies set code = 'x' where kind = 'none_known'`, 'allergies_none_known_names_nothing'],
    [`update clinical.allergies set reactions = '{}'`, 'allergies_reactions_is_list'],
    [
      `insert into clinical.allergies (tenant_id, patient_id, kind, category, code_system, code, display, recorded_by)
       select tenant_id, patient_id, 'allergy', 'medication', code_system, code, display, recorded_by
       from clinical.allergies where kind = 'allergy'`,
      'allergies_one_active_per_substance',
    ],
    [
      `insert into clinical.allergies (tenant_id, patient_id, kind, display, recorded_by)
       select tenant_id, patient_id, 'none_known', 'None', recorded_by from clinical.allergies where kind = 'allergy'`,
      'allergies_none_known_contradicts',
    ],
  ],
  'vital signs': [
    [vitals('temperature_c', '60'), 'vital_signs_temperature_20_to_46'],
    [vitals('pulse', '400'), 'vital_signs_pulse_0_to_350'],
    [vitals('spo2', '101'), 'vital_signs_spo2_0_to_100'],
    [vitals('systolic, diastolic', '80, 90'), 'vital_signs_diastolic_below_systolic'],
    [vitals('on_oxygen', 'true'), 'vital_signs_measures_something'],
    [vitals('is_error', 'true'), 'vital_signs_error_names_row'],
    [vitals('pulse, measured_at', `80, now() + interval '1 day'`), 'vital_signs_not_in_future'],
    [`update clinical.vital_signs set pulse = 80`, 'IM006'],
    [`delete from clinical.vital_signs`, 'IM006'],
  ],
  'an observation': [
    [`update clinical.observations set value_num = 1 where status = 'final'`, 'IM006'],
    [observation('value_num, unit_ucum, value_code', `1, 'kg', 'x'`), 'observations_one_value'],
    [observation('value_num', '1'), 'observations_number_has_unit'],
    [
      observation('value_bool, code_system, code', `true, 'http://loinc.org', '29463-8'`),
      'observations_loinc_code_valid',
    ],
  ],
  'an assessment': [
    [
      `update clinical.clinical_assessments set status = 'completed' where score is null`,
      'clinical_assessments_scored_has_score',
    ],
    [`update clinical.clinical_assessments set score = 5 where status = 'completed'`, 'IM006'],
    [
      `update clinical.clinical_assessments set answers = '[]' where status = 'in_progress'`,
      'clinical_assessments_answers_is_object',
    ],
  ],
  'a note': [
    [`update clinical.medical_records set content_enc = '\\x00' where status = 'signed'`, 'IM006'],
    [`update clinical.medical_records set signed_at = now() where status = 'amended'`, 'IM006'],
    [
      `update clinical.medical_records set status = 'signed' where status = 'draft'`,
      'medical_records_signed_has_signature',
    ],
    [
      `update clinical.medical_records set cosigner_id = author_id where status = 'draft'`,
      'medical_records_cosigner_is_another',
    ],
    [
      `update clinical.medical_records set content_hash = '\\x00' where status = 'draft'`,
      'medical_records_content_hash_is_sha256',
    ],
    [
      `update clinical.medical_records set amends_id = id where status = 'draft'`,
      'medical_records_addendum_has_reason',
    ],
    [`update clinical.medical_records set status = 'entered_in_error' where status = 'signed'`, 'IM002'],
  ],
  'a procedure': [
    [procedure('in_progress', 'time_out_at = now()'), 'procedures_time_out_after_sign_in'],
    [procedure('in_progress', 'sign_in_at = now(), sign_out_at = now()'), 'procedures_sign_out_after_time_out'],
    [procedure('in_progress', 'sign_in_at = now(), incision_at = now()'), 'procedures_incision_after_time_out'],
    [procedure('in_progress', 'closure_at = now()'), 'procedures_closure_after_incision'],
    [procedure('in_progress', 'consent_id = null'), 'procedures_surgery_has_consent'],
    [procedure('preparation', 'asa_class = 7'), 'procedures_asa_class_1_to_6'],
    [procedure('preparation', 'blood_loss_ml = -1'), 'procedures_blood_loss_not_negative'],
    [`update clinical.procedures set counts_correct = false where status = 'completed'`, 'IM006'],
  ],
  'an implant': [
    [`update clinical.implants set udi = null, serial_number = null`, 'implants_traceable'],
    [`update clinical.implants set explanted_at = now()`, 'implants_explant_has_reason'],
    [
      `update clinical.implants set explanted_at = implanted_at - interval '1 day', explant_reason = 'x'`,
      'implants_explanted_after_implant',
    ],
  ],
  'a vaccination': [
    [
      `update clinical.vaccination_records set dose_number = 21 where status = 'planned'`,
      'vaccination_records_dose_1_to_20',
    ],
    [
      `update clinical.vaccination_records set status = 'completed' where status = 'planned'`,
      'vaccination_records_given_has_time_and_lot',
    ],
    [
      `update clinical.vaccination_records set status = 'not_done' where status = 'planned'`,
      'vaccination_records_not_done_has_reason',
    ],
    [`update clinical.vaccination_records set lot_number = 'other' where status = 'completed'`, 'IM006'],
  ],
  'an order': [
    [`update clinical.service_requests set status = 'revoked' where status = 'active'`, 'IM002'],
    [`update clinical.service_requests set instructions = 'other' where status = 'completed'`, 'IM006'],
    [`update clinical.service_requests set instructions = '999999990019' where status = 'active'`, 'IM006'],
  ],
  'an imaging study': [
    [`update clinical.imaging_studies set study_instance_uid = '1.02'`, 'imaging_studies_uid_valid'],
    [
      `update clinical.imaging_studies set ended_at = started_at - interval '1 hour'`,
      'imaging_studies_ends_after_start',
    ],
    [`update clinical.imaging_studies set series_count = -1`, 'imaging_studies_counts_not_negative'],
    [
      `update clinical.imaging_studies set is_obstetric = true, pcpndt_form_f = '{}'`,
      'imaging_studies_obstetric_is_ultrasound',
    ],
    [
      `update clinical.imaging_studies set is_obstetric = true, modality = 'US'`,
      'imaging_studies_obstetric_has_form_f',
    ],
  ],
  'an imaging report': [
    [`update clinical.imaging_results set findings_enc = '\\x00'`, 'IM006'],
    [report(`is_critical, status`, `true, 'final'`), 'IM001'],
    [report(`amends_id`, `id`), 'imaging_results_amendment_has_reason'],
    [report(`critical_notified_at`, `now()`), 'imaging_results_told_has_name'],
  ],
  'a discharge summary': [
    [`update clinical.discharge_summaries set medications = '[]' where status = 'final'`, 'IM006'],
    [`update clinical.discharge_summaries set medications = '{}' where status = 'draft'`, 'discharge_summaries_lists'],
    [
      `update clinical.discharge_summaries set discharge_kind = 'death' where status = 'draft'`,
      'discharge_summaries_death_has_cause',
    ],
    [
      `update clinical.discharge_summaries set stg_status = 'waived' where status = 'draft'`,
      'discharge_summaries_waiver_has_reason',
    ],
    [`update clinical.discharge_summaries set status = 'final' where status = 'draft'`, 'IM001'],
    [
      `insert into clinical.discharge_summaries (tenant_id, summary_number, encounter_id, patient_id, admission_id, discharge_kind, prepared_by)
       select tenant_id, 'X', encounter_id, patient_id, admission_id, 'normal', prepared_by
       from clinical.discharge_summaries where status = 'draft'`,
      'discharge_summaries_one_in_work_per_stay',
    ],
  ],
  'a guideline': [
    [`update clinical.stg_guidelines set min_los_days = 9, max_los_days = 3`, 'stg_guidelines_stay_in_order'],
    [`update clinical.stg_guidelines set effective = 'empty'`, 'stg_guidelines_effective_not_empty'],
    [`update clinical.stg_criteria set mandatory = false`, 'IM006'],
    [criterion(`'rule', null, null`), 'stg_criteria_rule_has_expression'],
    [criterion(`'document', null, null`), 'stg_criteria_document_names_type'],
    [criterion(`'rule', null, '{"fact": "x", "op": "like", "value": 1}'`), '22023'],
    [criterion(`'rule', null, '{"all": []}'`), '22023'],
    [criterion(`'rule', null, '{"fact": "x", "op": "="}'`), '22023'],
  ],
  'a result of a guideline': [
    [`update clinical.stg_compliance_results set outcome = 'pass'`, 'IM006'],
    [
      `insert into clinical.stg_compliance_results
         (tenant_id, discharge_summary_id, guideline_id, criterion_id, outcome, input_hash, evaluated_at, engine_version, waiver_reason)
       select tenant_id, discharge_summary_id, guideline_id, criterion_id, 'fail', input_hash, now(), '1', 'x'
       from clinical.stg_compliance_results where discharge_summary_id is not null limit 1`,
      'stg_compliance_results_waiver_has_reason',
    ],
  ],
  'a bed': [
    [
      `insert into facility.bed_allocations (tenant_id, bed_id, encounter_id, patient_id, kind, status, period)
       select tenant_id, bed_id, encounter_id, patient_id, kind, status, period
       from facility.bed_allocations where status = 'active'`,
      'bed_allocations_one_patient_per_bed',
    ],
    [
      `insert into facility.bed_allocations (tenant_id, bed_id, encounter_id, patient_id, kind, status, period)
       select a.tenant_id, b.id, a.encounter_id, a.patient_id, a.kind, a.status, a.period
       from facility.bed_allocations a, facility.beds b
       where a.status = 'active' and b.status = 'vacant' and b.tenant_id = a.tenant_id`,
      'bed_allocations_one_bed_per_encounter',
    ],
    [`update facility.beds set status = 'vacant', current_allocation_id = null where status = 'occupied'`, 'IM001'],
  ],
}

for (const [what, attempts] of Object.entries(refused)) {
  test(`rules: ${what} cannot break ${attempts.map(([, refusal]) => refusal).join(', ')}`, async () => {
    for (const [attempt, refusal] of attempts) {
      const statements = [attempt].flat()
      const error = await withTenant(superuser, contextOf(tenant, { user: doctor }), async (tx) => {
        for (const statement of statements) await tx.query(statement)
      }).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      assert.ok(error instanceof DatabaseError, `not refused by ${refusal}: ${statements.join(';')}`)
      assert.ok(
        error.sqlstate === refusal || error.constraint === refusal,
        `${refusal} expected, ${error.constraint ?? error.sqlstate} came: ${statements.join(';')}`,
      )
    }
  })
}

test('grants: an application moves nothing along its states but by operations', async () => {
  const statements = [
    `update clinical.encounters set status = 'finished'`,
    `update clinical.admissions set status = 'discharged'`,
    `update clinical.admissions set billing_cleared_at = now()`,
    `update clinical.medical_records set signed_at = now()`,
    `update clinical.procedures set time_out_at = now()`,
    `update clinical.service_requests set status = 'completed'`,
    `update clinical.discharge_summaries set stg_status = 'passed'`,
    `insert into clinical.stg_compliance_results default values`,
    `update facility.beds set status = 'vacant'`,
    `insert into facility.bed_allocations default values`,
    `select facility.vacate_beds('da000000-0017-7000-8000-000000000015', null)`,
    `delete from clinical.encounters`,
  ]

  for (const statement of statements) {
    await assert.rejects(
      withTenant(app, contextOf(tenant, { user: doctor }), (tx) => tx.query(statement)),
      { sqlstate: '42501' },
      statement,
    )
  }
})

test('views: what a doctor reads has rows', async () => {
  const views = ['current_stays', 'vital_signs_chart', 'open_orders', 'allergy_status', 'stg_findings']

  for (const view of views) {
    const rows = await withTenant(app, contextOf(tenant, { user: doctor }), (tx) =>
      tx.query(`select from clinical.${view} limit 1`),
    )
    assert.equal(rows.length, 1, view)
  }
})

/** One more set of vital signs with these values. */
function vitals(columns: string, values: string): string {
  const time = columns.includes('measured_at') ? ['', ''] : [', measured_at', ', now()']
  return `insert into clinical.vital_signs (tenant_id, patient_id, recorded_by, ${columns}${time[0]})
    select tenant_id, patient_id, recorded_by, ${values}${time[1]} from clinical.vital_signs limit 1`
}

/** One more observation with these values. */
function observation(columns: string, values: string): string {
  const code = columns.includes('code_system') ? ['', ''] : [', code_system, code', ', code_system, code']
  return `insert into clinical.observations (tenant_id, effective_at, patient_id, category, display, performer_id, ${columns}${code[0]})
    select tenant_id, now(), patient_id, category, display, performer_id, ${values}${code[1]} from clinical.observations limit 1`
}

/** A second operation, planned like the first, moved to a state with these values. */
function procedure(status: string, assignments: string): string[] {
  return [
    `insert into clinical.procedures
       (tenant_id, procedure_number, patient_id, encounter_id, code_system, code, display, kind, consent_id)
     select tenant_id, 'X', patient_id, encounter_id, code_system, code, display, kind, consent_id
     from clinical.procedures where tenant_id = core.current_tenant_id()`,
    `update clinical.procedures set status = '${status}', ${assignments} where status = 'preparation'`,
  ]
}

/** One more report of a study. */
function report(columns: string, values: string): string {
  return `insert into clinical.imaging_results
      (tenant_id, report_number, study_id, patient_id, findings_enc, impression_enc, reported_by, ${columns})
    select tenant_id, 'X', study_id, patient_id, findings_enc, impression_enc, reported_by, ${values}
    from clinical.imaging_results`
}

/** A criterion of a draft version of the guideline. */
function criterion(values: string): string {
  return `with draft as (
      insert into clinical.stg_guidelines (tenant_id, code, version, title, specialty, source_uri, effective)
      select tenant_id, code, '2', title, specialty, source_uri, effective from clinical.stg_guidelines
      returning tenant_id, id
    )
    insert into clinical.stg_criteria (tenant_id, guideline_id, seq, stage, code, text, kind, document_type, expression)
    select tenant_id, id, 1, 'claim', 'X', 'X', ${values} from draft`
}
