import type { Defect, Harmless } from './defect.ts'
import { behindTriggers } from './statements.ts'

/** Incidents of a kind in the first department of every tenant, `set` over the columns that it names. */
function incident(kind: string, columns: string, values: string): string {
  return behindTriggers(
    `insert into compliance.incidents (tenant_id, incident_number, kind, department_id, occurred_at, reported_at, anonymous, severity, description_enc${columns})
     select t.id, 'T-1', '${kind}', (select d.id from facility.departments d where d.tenant_id = t.id order by d.id limit 1), now() - interval '90 days', now() - interval '90 days', true, 'severe', '\\x00'${values}
     from core.tenants t where t.status = 'active'`,
  )
}

/** A handover that was accepted, with one patient on it. */
function acceptedHandover(readBack: string): string {
  const clock = `'hlc_physical_us', 1, 'hlc_logical', 0, 'hlc_node', 'n', 'vector_clock', '{"n": 1}'::jsonb, 'field_clocks', '{}'::jsonb, 'row_version', 1, 'created_at', now(), 'updated_at', now()`
  return behindTriggers(
    `insert into tasking.handovers
     select (jsonb_populate_record(null::tasking.handovers, jsonb_build_object(
       'tenant_id', t.id, 'id', core.uuid_v7(), 'handover_number', 'T-1', 'department_id', core.uuid_v7(), 'from_shift_id', core.uuid_v7(),
       'to_shift_id', core.uuid_v7(), 'from_user_id', core.uuid_v7(), 'to_user_id', core.uuid_v7(), 'due_at', now(), 'submitted_at', now(),
       'accepted_at', now(), 'open_task_count', 0, 'unresolved_alert_count', 0, 'status', 'accepted', ${clock}
     ))).*
     from core.tenants t where t.status = 'active'`,
    `insert into tasking.handover_patients
     select (jsonb_populate_record(null::tasking.handover_patients, jsonb_build_object(
       'tenant_id', h.tenant_id, 'id', core.uuid_v7(), 'handover_id', h.id, 'patient_id', core.uuid_v7(), 'encounter_id', core.uuid_v7(),
       'illness_severity', 'stable', 'patient_summary_enc', '\\x00', 'action_list', '[]'::jsonb, 'contingency_plan', '[]'::jsonb,
       'order_no', 1, ${clock}
     ) || ${readBack})).*
     from tasking.handovers h where h.handover_number = 'T-1'`,
  )
}

export const defects: readonly Defect[] = [
  {
    name: 'two patients may have one number',
    rule: 'NBH-01',
    sql: 'drop index patient.patients_mrn_key;',
  },
  {
    name: 'the number of a patient is unique for a clinic only',
    rule: 'NBH-01',
    sql: `
      drop index patient.patients_mrn_key;
      create unique index patients_mrn_key on patient.patients (tenant_id, registered_clinic_id, mrn);`,
  },
  {
    name: 'a patient may have no number',
    rule: 'NBH-01',
    sql: 'alter table patient.patients alter column mrn drop not null;',
  },
  {
    name: 'an assessment is overdue',
    rule: 'NBH-02',
    sql: behindTriggers(
      `update clinical.clinical_assessments set due_at = now() - interval '1 hour' where status = 'in_progress'`,
    ),
  },
  {
    name: 'an assessment was late',
    rule: 'NBH-02',
    sql: behindTriggers(
      `update clinical.clinical_assessments set due_at = assessed_at - interval '1 hour' where status = 'completed'`,
    ),
  },
  {
    name: 'summaries give no advice',
    rule: 'NBH-03',
    sql: behindTriggers(`update clinical.discharge_summaries set advice_enc = null where status = 'final'`),
  },
  {
    name: 'summaries name no follow-up',
    rule: 'NBH-03',
    sql: behindTriggers(`update clinical.discharge_summaries set follow_up = '[]' where status = 'final'`),
  },
  {
    name: 'summaries are silent on the operation',
    rule: 'NBH-03',
    sql: behindTriggers(`update clinical.discharge_summaries set procedures = '[]' where status = 'final'`),
  },
  {
    name: 'summaries are silent on the medicines for home',
    rule: 'NBH-03',
    sql: behindTriggers(`update clinical.discharge_summaries set medications = '[]' where status = 'final'`),
  },
  {
    name: 'a final summary needs no diagnosis',
    rule: 'NBH-03',
    sql: 'alter table clinical.discharge_summaries drop constraint discharge_summaries_final_is_complete;',
  },
  {
    name: 'a handover was accepted and not read back',
    rule: 'NBH-04',
    sql: acceptedHandover(`'{}'`),
  },
  {
    name: 'blood was given without a crossmatch',
    rule: 'NBH-05',
    sql: behindTriggers('update blood_bank.blood_issues set crossmatch_id = null'),
  },
  {
    name: 'blood was given though the crossmatch said no',
    rule: 'NBH-05',
    sql: behindTriggers(`update blood_bank.crossmatches set result = 'incompatible', status = 'incompatible'`),
  },
  {
    name: 'blood was given without a consent',
    rule: 'NBH-05',
    sql: behindTriggers('update blood_bank.blood_requests set consent_id = null'),
  },
  {
    name: 'the consent had been withdrawn',
    rule: 'NBH-05',
    sql: behindTriggers(
      `update compliance.consents set withdrawn_at = given_at + interval '1 minute' where kind = 'transfusion'`,
    ),
  },
  {
    name: 'vital signs before the transfusion are missing',
    rule: 'NBH-05',
    sql: behindTriggers('update blood_bank.blood_issues set pre_vitals = null'),
  },
  {
    name: 'vital signs after the transfusion are missing',
    rule: 'NBH-05',
    sql: behindTriggers('update blood_bank.blood_issues set post_vitals = null'),
  },
  {
    name: 'a transfusion was stopped without a form',
    rule: 'NBH-05',
    sql: behindTriggers(
      'delete from blood_bank.transfusion_reactions',
      `update blood_bank.blood_issues set status = 'stopped' where status = 'completed'`,
    ),
  },
  {
    name: 'surgery needs no consent',
    rule: 'NBH-06',
    sql: 'alter table clinical.procedures drop constraint procedures_surgery_has_consent;',
  },
  {
    name: 'time-out may come before sign-in',
    rule: 'NBH-06',
    sql: 'alter table clinical.procedures drop constraint procedures_time_out_after_sign_in;',
  },
  {
    name: 'sign-out asks for a time-out, at any time',
    rule: 'NBH-06',
    sql: `
      alter table clinical.procedures drop constraint procedures_sign_out_after_time_out;
      alter table clinical.procedures add constraint procedures_sign_out_after_time_out check (sign_out_at is null or time_out_at is not null);`,
  },
  {
    name: 'the incision may come before the time-out',
    rule: 'NBH-06',
    sql: 'alter table clinical.procedures drop constraint procedures_incision_after_time_out;',
  },
  {
    name: 'surgery ends without a count',
    rule: 'NBH-06',
    sql: 'alter table clinical.procedures drop constraint procedures_completed_surgery_signed_out;',
  },
  {
    name: 'the police were not told of a medico-legal case',
    rule: 'NBH-07',
    sql: behindTriggers('update clinical.encounters set police_intimated_at = null where is_mlc'),
  },
  {
    name: 'two medico-legal cases have one number',
    rule: 'NBH-07',
    sql: behindTriggers(
      'drop index clinical.encounters_mlc_number_key',
      `update clinical.encounters e set is_mlc = true, police_intimated_at = now(), mlc_number = (select o.mlc_number from clinical.encounters o where o.tenant_id = e.tenant_id and o.is_mlc limit 1) where not is_mlc`,
    ),
  },
  {
    name: 'registrations of prescribers had run out',
    rule: 'NBH-08',
    sql: behindTriggers('update workforce.doctors set registration_valid_to = current_date - 10'),
  },
  {
    name: 'a dose of a high-alert drug needs no witness',
    rule: 'NBH-09',
    sql: 'drop trigger medication_administrations_needs_witness on medication.medication_administrations;',
  },
  {
    name: 'no drug needs a second person',
    rule: 'NBH-09',
    sql: `create or replace function medication.needs_second_person(p_drug_id uuid) returns boolean language plpgsql stable set search_path = pg_catalog, pg_temp as $$ begin return false; end $$;`,
  },
  {
    name: 'nobody checks what is handed over',
    rule: 'NBH-09',
    sql: 'alter table medication.dispenses disable trigger dispenses_second_person;',
  },
  {
    name: 'ampoules are missing from the stock of a controlled drug',
    rule: 'NBH-10',
    sql: behindTriggers(
      `update inventory.stock_balances b set on_hand = on_hand - 1 from inventory.items i join medication.drugs d on d.id = i.drug_id where i.id = b.item_id and d.schedule = 'NDPS' and b.on_hand > 0`,
    ),
  },
  {
    name: 'the register is silent on who got a controlled drug',
    rule: 'NBH-10',
    sql: behindTriggers('update inventory.stock_movements set patient_id = null'),
  },
  {
    name: 'expired batches were dispensed',
    rule: 'NBH-11',
    sql: behindTriggers(`update medication.dispense_items set expiry_on = current_date - 30`),
  },
  {
    name: 'recalled batches were dispensed',
    rule: 'NBH-11',
    sql: behindTriggers(`update inventory.batches set recalled_at = now() - interval '60 days'`),
  },
  {
    name: 'a medication error was closed without its cause',
    rule: 'NBH-12',
    sql: incident(
      'medication_error',
      ', status, corrective_action, effectiveness',
      `, 'closed', 'told everybody', 'good'`,
    ),
  },
  {
    name: 'nobody looked into an adverse reaction for months',
    rule: 'NBH-12',
    sql: incident('adr', '', ''),
  },
  {
    name: 'consents are in no language',
    rule: 'NBH-13',
    sql: behindTriggers(`update compliance.consents set language = null where kind = 'surgery'`),
  },
  {
    name: 'who pays for a planned stay got no estimate',
    rule: 'NBH-13',
    sql: behindTriggers(
      `update clinical.encounters e set payer_class = 'self' from clinical.admissions a where a.encounter_id = e.id and a.admission_type = 'elective'`,
    ),
  },
  {
    name: 'an infection counts against no stay',
    rule: 'NBH-14',
    sql: incident('hai', '', ''),
  },
  {
    name: 'a sentinel event has no cause for months',
    rule: 'NBH-15',
    sql: incident('sentinel', ', status', `, 'under_review'`),
  },
  {
    name: 'an action after a sentinel event is overdue',
    rule: 'NBH-15',
    sql: incident(
      'sentinel',
      ', status, root_cause, corrective_action, capa_owner_id, capa_due_on',
      `, 'action_planned', '{"why": "x"}', 'x', gen_random_uuid(), current_date - 3`,
    ),
  },
  {
    name: 'a sentinel event may end without its cause',
    rule: 'NBH-15',
    sql: `do $$ declare c text; begin select conname into strict c from pg_constraint where conrelid = 'compliance.incidents'::regclass and pg_get_constraintdef(oid) ~ 'sentinel.*root_cause'; execute format('alter table compliance.incidents drop constraint %I', c); end $$;`,
  },
  {
    name: 'a device in use is overdue for calibration',
    rule: 'NBH-16',
    sql: behindTriggers(
      `update device.devices set calibration_due_on = current_date - 1 where status = 'active' and kind = 'monitor'`,
    ),
  },
  {
    name: 'a device in use is overdue for maintenance',
    rule: 'NBH-16',
    sql: behindTriggers(
      `update device.devices set pm_due_on = current_date - 1 where status = 'active' and kind = 'analyser'`,
    ),
  },
  {
    name: 'a nurse who gave medicines has no registration',
    rule: 'NBH-17',
    sql: behindTriggers(`delete from workforce.staff_credentials where title = 'Nursing registration'`),
  },
  {
    name: 'credentials were verified after the first act',
    rule: 'NBH-17',
    sql: behindTriggers(
      `update workforce.staff_credentials set verified_at = now() + interval '1 second' where kind = 'registration'`,
    ),
  },
  {
    name: 'the surgeon holds no privilege',
    rule: 'NBH-17',
    sql: behindTriggers(`delete from workforce.staff_credentials where title = 'General surgery'`),
  },
  {
    name: 'a record is signed by nobody',
    rule: 'NBH-18',
    sql: 'alter table clinical.medical_records drop constraint medical_records_signed_has_signature;',
  },
  {
    name: 'a signed record can be changed',
    rule: 'NBH-18',
    sql: 'drop trigger medical_records_unchanged_once_signed on clinical.medical_records;',
  },
  {
    name: 'what keeps signed records looks at nothing',
    rule: 'NBH-18',
    sql: `create or replace function clinical.keep_content() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$ begin return new; end $$;`,
  },
  {
    name: 'an addendum needs no reason',
    rule: 'NBH-18',
    sql: 'alter table clinical.medical_records drop constraint medical_records_addendum_has_reason;',
  },
  {
    name: 'ten days after the discharge there is no summary',
    rule: 'NBH-19',
    sql: behindTriggers(
      `update clinical.admissions set admitted_at = admitted_at - interval '10 days', physically_left_at = physically_left_at - interval '10 days' where physically_left_at is not null`,
      `update clinical.discharge_summaries set status = 'draft'`,
    ),
  },
  {
    name: 'ten days after the discharge a note is still a draft',
    rule: 'NBH-19',
    sql: behindTriggers(
      `update clinical.admissions set admitted_at = admitted_at - interval '10 days', physically_left_at = physically_left_at - interval '10 days' where physically_left_at is not null`,
      `update clinical.medical_records r set encounter_id = a.encounter_id, patient_id = e.patient_id from clinical.admissions a join clinical.encounters e on e.id = a.encounter_id where a.tenant_id = r.tenant_id and a.physically_left_at is not null and r.status = 'draft'`,
    ),
  },
  {
    name: 'who left can still sign in',
    rule: 'NBH-20',
    sql: behindTriggers(
      `update auth.users u set status = 'active' from workforce.staff s where s.user_id = u.id and s.status = 'left'`,
    ),
  },
  {
    name: 'accounts have no role',
    rule: 'NBH-20',
    sql: behindTriggers('delete from auth.user_roles'),
  },
]

export const harmless: readonly Harmless[] = [
  {
    name: 'the key of the patient number has another name',
    sql: 'alter index patient.patients_mrn_key rename to patients_number_key;',
  },
  {
    name: 'one more index on patients',
    sql: 'create index patients_by_language on patient.patients (tenant_id, language) where language is not null;',
  },
  {
    name: 'an assessment without a term is open for long',
    sql: behindTriggers(
      `update clinical.clinical_assessments set due_at = null, assessed_at = assessed_at - interval '30 days' where status = 'completed'`,
    ),
  },
  {
    name: 'an assessment was cancelled after its term',
    sql: behindTriggers(
      `update clinical.clinical_assessments set status = 'cancelled', due_at = now() - interval '1 day' where status = 'in_progress'`,
    ),
  },
  {
    name: 'the summary of one who died gives no advice',
    sql: behindTriggers(
      `update clinical.discharge_summaries set discharge_kind = 'death', cause_of_death = '{"immediate": "x"}', advice_enc = null, follow_up = '[]' where status = 'final'`,
    ),
  },
  {
    name: 'the constraint on final summaries has another name',
    sql: 'alter table clinical.discharge_summaries rename constraint discharge_summaries_final_is_complete to discharge_summaries_whole;',
  },
  {
    name: 'a draft of a summary is empty',
    sql: behindTriggers(
      `update clinical.discharge_summaries set final_diagnoses = '[]', follow_up = '[]', advice_enc = null where status = 'draft'`,
    ),
  },
  {
    name: 'a handover was accepted and read back',
    sql: acceptedHandover(`jsonb_build_object('read_back_at', now(), 'read_back_by', core.uuid_v7())`),
  },
  {
    name: 'a unit that was issued and never started has no vital signs',
    sql: behindTriggers(`update blood_bank.blood_issues set crossmatch_id = crossmatch_id where started_at is null`),
  },
  {
    name: 'the consent to a transfusion was withdrawn after it',
    sql: behindTriggers(`update compliance.consents set withdrawn_at = now() where kind = 'transfusion'`),
  },
  {
    name: 'more vital signs were taken',
    sql: behindTriggers(
      `update blood_bank.blood_issues set pre_vitals = pre_vitals || '{"spo2": 97}' where pre_vitals is not null`,
    ),
  },
  {
    name: 'the constraint on consent to surgery has another name',
    sql: 'alter table clinical.procedures rename constraint procedures_surgery_has_consent to procedures_consented;',
  },
  {
    name: 'surgery asks for more',
    sql: `alter table clinical.procedures add constraint procedures_side_said check (kind <> 'surgery' or laterality is not null);`,
  },
  {
    name: 'the sign-out constraint is written in other words',
    sql: `
      alter table clinical.procedures drop constraint procedures_sign_out_after_time_out;
      alter table clinical.procedures add check (case when sign_out_at is not null then time_out_at is not null and time_out_at <= sign_out_at else true end);`,
  },
  {
    name: 'a bedside procedure has no counts',
    sql: behindTriggers(
      `insert into clinical.procedures (tenant_id, procedure_number, patient_id, encounter_id, code_system, code, display, kind, status) select tenant_id, 'T-1', patient_id, encounter_id, code_system, code, display, 'bedside', 'preparation' from clinical.procedures limit 1`,
    ),
  },
  {
    name: 'a visit that is no medico-legal case',
    sql: behindTriggers(`update clinical.encounters set triage_level = 3 where not is_mlc`),
  },
  {
    name: 'a registration runs out tomorrow',
    sql: behindTriggers('update workforce.doctors set registration_valid_to = current_date + 1'),
  },
  {
    name: 'the trigger of the witness has another name',
    sql: 'alter trigger medication_administrations_needs_witness on medication.medication_administrations rename to medication_administrations_two_people;',
  },
  {
    name: 'one more drug is high alert',
    sql: behindTriggers(
      `update medication.drugs set is_high_alert = true where is_high_alert = false and schedule = 'OTC'`,
    ),
  },
  {
    name: 'a batch expired that nobody dispensed',
    sql: behindTriggers(
      `update inventory.batches b set expiry_on = current_date - 1 where not exists (select from medication.dispense_items l where l.batch_id = b.id) and not exists (select from medication.medication_administrations a where a.batch_id = b.id)`,
    ),
  },
  {
    name: 'an adverse reaction was reported yesterday',
    sql: behindTriggers(
      `insert into compliance.incidents (tenant_id, incident_number, kind, department_id, occurred_at, reported_at, anonymous, severity, description_enc) select t.id, 'T-1', 'adr', (select d.id from facility.departments d where d.tenant_id = t.id order by d.id limit 1), now() - interval '1 day', now() - interval '1 day', true, 'mild', '\\x00' from core.tenants t where t.status = 'active'`,
    ),
  },
  {
    name: 'a near miss that nobody looked at',
    sql: incident('near_miss', '', ''),
  },
  {
    name: 'a sentinel event with its cause and its actions',
    sql: incident(
      'sentinel',
      ', status, root_cause, corrective_action, effectiveness, capa_owner_id, capa_due_on, capa_done_on',
      `, 'closed', '{"why": "x"}', 'x', 'good', gen_random_uuid(), current_date - 3, current_date - 4`,
    ),
  },
  {
    name: 'a device that is not in use is overdue',
    sql: behindTriggers(
      `update device.devices set calibration_due_on = current_date - 100 where status = 'maintenance'`,
    ),
  },
  {
    name: 'a consent to marketing in no language',
    sql: behindTriggers(
      `insert into compliance.consents (tenant_id, patient_id, kind, decision, given_by, given_at, status) select tenant_id, id, 'photography', 'deny', 'patient', now(), 'active' from patient.patients`,
    ),
  },
  {
    name: 'somebody in support has no registration',
    sql: behindTriggers(
      `delete from workforce.staff_credentials c using workforce.staff s where s.id = c.staff_id and s.kind not in ('doctor', 'nurse', 'technician')`,
    ),
  },
  {
    name: 'records are completed within two days',
    sql: `update core.system_settings set value = '48' where key = 'clinical.record_complete_hours';`,
  },
  {
    name: 'an account that is not active has no role',
    sql: behindTriggers(
      `delete from auth.user_roles r using auth.users u where u.id = r.user_id and u.status <> 'active'`,
    ),
  },
]
