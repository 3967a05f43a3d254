import type { Defect, Harmless } from './defect.ts'
import { behindTriggers } from './statements.ts'

export const defects: readonly Defect[] = [
  {
    name: 'an order needs no requester',
    rule: 'ISO-01',
    sql: 'alter table laboratory.lab_orders drop constraint lab_orders_names_a_requester;',
  },
  {
    name: 'the constraint on the requester is still there and asks for nothing',
    rule: 'ISO-01',
    sql: `
      alter table laboratory.lab_orders drop constraint lab_orders_names_a_requester;
      alter table laboratory.lab_orders add constraint lab_orders_names_a_requester check (num_nonnulls(ordering_doctor_id, external_doctor) >= 0);`,
  },
  {
    name: 'the time of an order may be unknown',
    rule: 'ISO-01',
    sql: 'alter table laboratory.lab_orders alter column ordered_at drop not null;',
  },
  {
    name: 'an order may name a patient that does not exist',
    rule: 'ISO-01',
    sql: 'alter table laboratory.lab_orders drop constraint lab_orders_patient_fkey;',
  },
  {
    name: 'a sample is collected without a collector',
    rule: 'ISO-02',
    sql: 'alter table laboratory.samples drop constraint samples_collected_from_identified_patient;',
  },
  {
    name: 'silence on the identification of the patient passes the constraint',
    rule: 'ISO-02',
    sql: `
      alter table laboratory.samples drop constraint samples_collected_from_identified_patient;
      alter table laboratory.samples add constraint samples_collected_from_identified_patient check (status in ('planned', 'cancelled') or (collected_at is not null and collected_by is not null and patient_id_check <> 'not_done'));`,
  },
  {
    name: 'temperatures on arrival are gone',
    rule: 'ISO-03',
    sql: behindTriggers(`update laboratory.sample_events set temperature_c = null where from_status = 'in_transit'`),
  },
  {
    name: 'departures are gone',
    rule: 'ISO-03',
    sql: behindTriggers(`delete from laboratory.sample_events where to_status = 'in_transit'`),
  },
  {
    name: 'samples arrived before they left',
    rule: 'ISO-03',
    sql: behindTriggers(
      `update laboratory.sample_events set occurred_at = occurred_at - interval '1 day' where from_status = 'in_transit'`,
    ),
  },
  {
    name: 'a sample is received by nobody',
    rule: 'ISO-04',
    sql: 'alter table laboratory.samples drop constraint samples_received_in_a_condition;',
  },
  {
    name: 'the condition on receipt need not be stated',
    rule: 'ISO-04',
    sql: `
      alter table laboratory.samples drop constraint samples_received_in_a_condition;
      alter table laboratory.samples add constraint samples_received_in_a_condition check (status <> 'received' or num_nulls(received_at, received_by, receipt_condition) < 3);`,
  },
  {
    name: 'reports are silent on compromised samples',
    rule: 'ISO-05',
    sql: behindTriggers(`update laboratory.diagnostic_reports set exceptions = '{}'`),
  },
  {
    name: 'a sample is rejected for no reason',
    rule: 'ISO-06',
    sql: 'alter table laboratory.samples drop constraint samples_rejected_with_reason;',
  },
  {
    name: 'a sample is rejected by nobody',
    rule: 'ISO-06',
    sql: 'alter table laboratory.samples drop constraint samples_rejection_whole;',
  },
  {
    name: 'the event of a rejection has no reason',
    rule: 'ISO-06',
    sql: 'alter table laboratory.sample_events drop constraint sample_events_rejected_with_reason;',
  },
  {
    name: 'two samples have one barcode',
    rule: 'ISO-07',
    sql: 'alter table laboratory.samples drop constraint samples_barcode_key;',
  },
  {
    name: 'accession numbers are unique for one specimen type only',
    rule: 'ISO-07',
    sql: `
      alter table laboratory.samples drop constraint samples_accession_number_key;
      create unique index samples_accession_number_key on laboratory.samples (tenant_id, accession_number, specimen_type);`,
  },
  {
    name: 'an aliquot comes from anywhere',
    rule: 'ISO-07',
    sql: 'alter table laboratory.samples drop constraint samples_parent_sample_fkey;',
  },
  {
    name: 'an event of a sample is lost',
    rule: 'ISO-08',
    sql: behindTriggers(`delete from laboratory.sample_events where to_status = 'tested'`),
  },
  {
    name: 'a sample is in a state that no event led to',
    rule: 'ISO-08',
    sql: behindTriggers(
      `update laboratory.samples set status = 'lost' where id = (select id from laboratory.samples where status = 'collected' order by id limit 1)`,
    ),
  },
  {
    name: 'an event is recorded twice',
    rule: 'ISO-08',
    sql: behindTriggers(
      `insert into laboratory.sample_events (tenant_id, sample_id, occurred_at, from_status, to_status, actor_id) select tenant_id, sample_id, occurred_at, from_status, to_status, actor_id from laboratory.sample_events where from_status = 'planned' order by id limit 1`,
    ),
  },
  {
    name: 'events can be changed',
    rule: 'ISO-08',
    sql: 'drop trigger sample_events_append_only on laboratory.sample_events;',
  },
  {
    name: 'nobody knows where a stored sample is',
    rule: 'ISO-09',
    sql: behindTriggers(`update laboratory.samples set storage_location_id = null where status = 'stored'`),
  },
  {
    name: 'a sample is disposed of before its term for no reason',
    rule: 'ISO-09',
    sql: behindTriggers(
      `update laboratory.samples set status = 'disposed', disposed_at = now(), disposed_by = received_by, retain_until = current_date + 5 where status = 'stored'`,
    ),
  },
  {
    name: 'nothing stops a release after a rejected run',
    rule: 'ISO-10',
    sql: 'drop trigger lab_results_qc_accepted on laboratory.lab_results;',
  },
  {
    name: 'the trigger of the release is disabled',
    rule: 'ISO-10',
    sql: 'alter table laboratory.lab_results disable trigger lab_results_qc_accepted;',
  },
  {
    name: 'the trigger of the release looks at nothing',
    rule: 'ISO-10',
    sql: `create or replace function laboratory.check_release() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$ begin return new; end $$;`,
  },
  {
    name: 'quality control is always accepted',
    rule: 'ISO-10',
    sql: `create or replace function laboratory.qc_state(p_device_id uuid, p_test_id uuid, p_at timestamptz) returns text language plpgsql stable set search_path = pg_catalog, pg_temp as $$ begin return 'accepted'; end $$;`,
  },
  {
    name: 'a test in the scope was never assessed from outside',
    rule: 'ISO-11',
    sql: behindTriggers(`delete from laboratory.qc_results where scheme = 'eqa'`),
  },
  {
    name: 'the last round was two years ago',
    rule: 'ISO-11',
    sql: behindTriggers(`update laboratory.qc_results set run_at = run_at - interval '2 years' where scheme = 'eqa'`),
  },
  {
    name: 'a result is released without verification',
    rule: 'ISO-12',
    sql: 'alter table laboratory.lab_results drop constraint lab_results_released_by_two_steps;',
  },
  {
    name: 'the same person may do every step',
    rule: 'ISO-12',
    sql: `create or replace function laboratory.check_second_person(p_test_id uuid, p_result_id uuid, p_staff_id uuid, p_before uuid) returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$ begin return; end $$;`,
  },
  {
    name: 'nobody was told of critical results',
    rule: 'ISO-13',
    sql: behindTriggers('delete from laboratory.critical_notifications'),
  },
  {
    name: 'nobody read critical results back',
    rule: 'ISO-13',
    sql: behindTriggers('update laboratory.critical_notifications set read_back = false'),
  },
  {
    name: 'results have no unit',
    rule: 'ISO-14',
    sql: behindTriggers(`update laboratory.lab_results set unit_ucum = null where status = 'final'`),
  },
  {
    name: 'a partial report is signed by nobody',
    rule: 'ISO-14',
    sql: behindTriggers(`update laboratory.diagnostic_reports set signed_by = null where status = 'partial'`),
  },
  {
    name: 'a report states a result of another order',
    rule: 'ISO-14',
    sql: behindTriggers(
      `update laboratory.diagnostic_reports d set result_ids = (select array_agg(r.id) from laboratory.lab_results r where r.tenant_id = d.tenant_id) where status = 'final'`,
    ),
  },
  {
    name: 'a result is corrected for no reason',
    rule: 'ISO-15',
    sql: 'alter table laboratory.lab_results drop constraint lab_results_correction_with_reason;',
  },
  {
    name: 'a released result can be changed',
    rule: 'ISO-15',
    sql: 'drop trigger lab_results_final_stays on laboratory.lab_results;',
  },
  {
    name: 'an issued report can be changed',
    rule: 'ISO-15',
    sql: `create or replace function laboratory.keep_issued_report() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$ begin return new; end $$;`,
  },
  {
    name: 'an order has two current reports',
    rule: 'ISO-15',
    sql: 'drop index laboratory.diagnostic_reports_one_current;',
  },
  {
    name: 'a rejected run is closed without an incident',
    rule: 'ISO-16',
    sql: 'alter table laboratory.qc_results drop constraint qc_results_reject_reviewed_with_incident;',
  },
  {
    name: 'the calibration of the analyser had run out',
    rule: 'ISO-17',
    sql: behindTriggers(
      `update device.device_maintenance set next_due_on = current_date - 30 where kind in ('acceptance', 'calibration')`,
    ),
  },
  {
    name: 'the analyser failed its calibration',
    rule: 'ISO-17',
    sql: behindTriggers(`update device.device_maintenance set result = 'fail' where kind = 'calibration'`),
  },
  {
    name: 'the control material had run out',
    rule: 'ISO-18',
    sql: behindTriggers('update laboratory.qc_lots set expires_on = opened_on + 1'),
  },
  {
    name: 'the reagent had been recalled',
    rule: 'ISO-18',
    sql: behindTriggers(
      `update inventory.batches b set recalled_at = now() - interval '300 days' from inventory.items i where i.id = b.item_id and i.kind = 'reagent'`,
    ),
  },
  {
    name: 'who releases results holds no privilege',
    rule: 'ISO-19',
    sql: behindTriggers(`delete from workforce.staff_credentials where kind = 'privilege'`),
  },
  {
    name: 'the privilege was revoked',
    rule: 'ISO-19',
    sql: behindTriggers(`update workforce.staff_credentials set status = 'revoked' where kind = 'privilege'`),
  },
  {
    name: 'the owner of results sees every tenant',
    rule: 'ISO-20',
    sql: 'alter table laboratory.lab_results no force row level security;',
  },
  {
    name: 'changes of samples leave no trace',
    rule: 'ISO-20',
    sql: 'drop trigger audit_update on laboratory.samples;',
  },
  {
    name: 'results are kept as working data',
    rule: 'ISO-21',
    sql: `comment on table laboratory.lab_results is 'class=phi;scope=tenant;owner=lab;fhir=Observation (laboratory);retention=operational;about=The result of one test on one sample.';`,
  },
  {
    name: 'an interval is not of the age of the patient',
    rule: 'ISO-22',
    sql: `update laboratory.reference_ranges set age_days = '[0,1)' where tenant_id is not null;`,
  },
  {
    name: 'results were judged by an interval that nobody approved',
    rule: 'ISO-22',
    sql: behindTriggers(
      `update laboratory.lab_results r set reference_range_id = g.id from laboratory.reference_ranges g where g.test_id = r.test_id and g.tenant_id is null`,
    ),
  },
]

export const harmless: readonly Harmless[] = [
  {
    name: 'the constraint on the requester has another name',
    sql: 'alter table laboratory.lab_orders rename constraint lab_orders_names_a_requester to lab_orders_someone_asks;',
  },
  {
    name: 'the constraint on the requester is written in other words',
    sql: `
      alter table laboratory.lab_orders drop constraint lab_orders_names_a_requester;
      alter table laboratory.lab_orders add check (ordering_doctor_id is not null or external_doctor is not null);`,
  },
  {
    name: 'collection asks for the method too',
    sql: `
      alter table laboratory.samples add constraint samples_method_known check (collection_method is null or collection_method <> '');`,
  },
  {
    name: 'the constraint on collection is split in three',
    sql: `
      alter table laboratory.samples rename constraint samples_collected_from_identified_patient to samples_collected_whole;
      alter table laboratory.samples add check (status in ('planned', 'cancelled') or collected_at is not null);
      alter table laboratory.samples add check (status in ('planned', 'cancelled') or collected_by is not null);`,
  },
  {
    name: 'a sample was taken in another way',
    sql: behindTriggers(
      `update laboratory.samples set collection_method = 'finger prick', volume_ml = 1 where parent_sample_id is null`,
    ),
  },
  {
    name: 'a box is colder than before',
    sql: behindTriggers(`update laboratory.sample_events set temperature_c = 4 where temperature_c is not null`),
  },
  {
    name: 'the foreign key to the parent sample has another name',
    sql: 'alter table laboratory.samples rename constraint samples_parent_sample_fkey to samples_aliquot_of;',
  },
  {
    name: 'barcodes are unique by an index instead of a constraint',
    sql: `
      create unique index samples_barcode_live on laboratory.samples (tenant_id, barcode);`,
  },
  {
    name: 'one more index on samples',
    sql: 'create index samples_by_condition on laboratory.samples (tenant_id, receipt_condition) where receipt_condition is not null;',
  },
  {
    name: 'one more column of results',
    sql: `
      alter table laboratory.lab_results add column remark text;
      comment on column laboratory.lab_results.remark is 'class=phi;about=Remark.';`,
  },
  {
    name: 'the trigger of the release has another name',
    sql: 'alter trigger lab_results_qc_accepted on laboratory.lab_results rename to lab_results_control_accepted;',
  },
  {
    name: 'the trigger of the release fires always',
    sql: 'alter table laboratory.lab_results enable always trigger lab_results_qc_accepted;',
  },
  {
    name: 'quality control lasts half a day',
    sql: `update core.system_settings set value = '12' where key = 'laboratory.qc_valid_hours' and tenant_id is null;`,
  },
  {
    name: 'one more round of external assessment',
    sql: behindTriggers(
      `insert into laboratory.qc_results (tenant_id, scheme, test_id, device_id, run_at, value, target, z_score, verdict, operator_id, eqa_round, eqa_performance) select tenant_id, scheme, test_id, device_id, run_at + interval '30 days', value, target, z_score, verdict, operator_id, 'Example scheme, round 2', eqa_performance from laboratory.qc_results where scheme = 'eqa'`,
    ),
  },
  {
    name: 'a test outside the scope without assessment',
    sql: `insert into laboratory.lab_tests (tenant_id, code, name, kind, department_code, specimen_type, container, result_type, unit_ucum, tat_minutes, active) select id, 'ESR2', 'Sedimentation', 'test', 'haematology', 'blood', 'edta', 'numeric', 'mm/h', 60, true from core.tenants where status = 'active';`,
  },
  {
    name: 'a test in the scope that is not offered any more',
    sql: behindTriggers(`update laboratory.lab_tests set active = false, nabl_scope = true where code = 'UCULT'`),
  },
  {
    name: 'a second call about a critical result that reached nobody',
    sql: behindTriggers(
      `insert into laboratory.critical_notifications (tenant_id, result_id, patient_id, notified_to, notified_by, channel, detected_at, notified_at, read_back) select tenant_id, result_id, patient_id, 'nobody', notified_by, 'phone', detected_at, notified_at, false from laboratory.critical_notifications where result_id is not null`,
    ),
  },
  {
    name: 'a report was delivered to the portal',
    sql: behindTriggers(`update laboratory.diagnostic_reports set delivered = '{"portal": "2026-01-01"}'`),
  },
  {
    name: 'a rejected run that nobody looked at yet',
    sql: behindTriggers(
      `update laboratory.qc_results set verdict = 'reject', reviewed_at = null, reviewed_by = null where scheme = 'iqc' and run_at < now() - interval '2 days'`,
    ),
  },
  {
    name: 'the analyser was serviced again',
    sql: behindTriggers(
      `insert into device.device_maintenance (tenant_id, device_id, kind, performed_at, performed_by, result, next_due_on) select tenant_id, id, 'preventive', now(), 'Example Instruments', 'pass', current_date + 100 from device.devices where kind = 'analyser'`,
    ),
  },
  {
    name: 'a reagent of another batch is expired',
    sql: behindTriggers(
      `update inventory.batches b set expiry_on = current_date - 1 from inventory.items i where i.id = b.item_id and i.kind = 'consumable'`,
    ),
  },
  {
    name: 'one more credential of a technician',
    sql: behindTriggers(
      `insert into workforce.staff_credentials (tenant_id, staff_id, kind, title, valid_during) select tenant_id, id, 'training', 'Biosafety', daterange(current_date - 10, current_date + 300) from workforce.staff where kind = 'technician'`,
    ),
  },
  {
    name: 'an interval for a time to come',
    sql: behindTriggers(
      `update laboratory.reference_ranges set valid_during = daterange(lower(valid_during), '2100-01-01') where tenant_id is not null`,
      `insert into laboratory.reference_ranges (tenant_id, test_id, sex, age_days, pregnancy, low, high, valid_during, approved_by) select tenant_id, test_id, sex, age_days, pregnancy, low, high, '[2100-01-01,)', approved_by from laboratory.reference_ranges where tenant_id is not null`,
    ),
  },
  {
    name: 'the words of a comment',
    sql: `comment on table laboratory.lab_results is 'class=phi;scope=tenant;owner=lab;fhir=Observation (laboratory);retention=medical_record;about=What one test found in one sample.';`,
  },
  {
    name: 'one more move of samples',
    sql: `insert into core.transition_rules (machine, from_state, to_state, requires_reason) values ('laboratory.samples', 'aliquoted', 'disposed', true);`,
  },
]
