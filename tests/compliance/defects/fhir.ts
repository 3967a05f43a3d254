import type { Defect, Harmless } from './defect.ts'
import { behindTriggers } from './statements.ts'

export const defects: readonly Defect[] = [
  {
    name: 'a table names a resource of R5',
    rule: 'FHR-01',
    sql: `comment on table inventory.stock_balances is 'class=operational;scope=tenant;owner=inventory;fhir=InventoryReport;retention=operational;about=On hand and reserved.';`,
  },
  {
    name: 'a table names something that is no resource',
    rule: 'FHR-01',
    sql: `comment on table clinical.conditions is 'class=phi;scope=tenant;owner=clinical;fhir=Diagnosis;retention=medical_record;about=Problems.';`,
  },
  {
    name: 'a table says nothing of FHIR',
    rule: 'FHR-01',
    sql: `comment on table clinical.allergies is 'class=phi;scope=tenant;owner=clinical;retention=medical_record;about=Allergies.';`,
  },
  {
    name: 'a new state has no code',
    rule: 'FHR-02',
    sql: `insert into core.transition_rules (machine, from_state, to_state) values ('clinical.encounters', 'in_progress', 'discharged_home');`,
  },
  {
    name: 'the code of a state is gone',
    rule: 'FHR-02',
    sql: behindTriggers(
      `delete from core.fhir_status_map where machine = 'laboratory.lab_results' and state = 'superseded'`,
    ),
  },
  {
    name: 'a state has a code that its value set does not know',
    rule: 'FHR-02',
    sql: behindTriggers(
      `update core.fhir_status_map set code = 'in-use' where machine = 'blood_bank.blood_components' and state = 'reserved'`,
    ),
  },
  {
    name: 'a state has a code of another value set',
    rule: 'FHR-02',
    sql: behindTriggers(
      `update core.fhir_status_map set code = 'finished' where machine = 'clinical.procedures' and state = 'completed'`,
    ),
  },
  {
    name: 'a machine has no states any more',
    rule: 'FHR-02',
    sql: behindTriggers(`delete from core.transition_rules where machine = 'medication.dispenses'`),
  },
  {
    name: 'a condition may be coded in no system',
    rule: 'FHR-03',
    sql: 'alter table clinical.conditions alter column code_system drop not null;',
  },
  {
    name: 'observations have no display',
    rule: 'FHR-03',
    sql: 'alter table clinical.observations drop column display cascade;',
  },
  {
    name: 'an allergy has a code of no system',
    rule: 'FHR-03',
    sql: behindTriggers('update clinical.allergies set code_system = null where code is not null'),
  },
  {
    name: 'displays are blank',
    rule: 'FHR-03',
    sql: behindTriggers(`update clinical.conditions set display = ' '`),
  },
  {
    name: 'a system is a word instead of a URI',
    rule: 'FHR-03',
    sql: behindTriggers(`update clinical.procedures set code_system = 'local'`),
  },
  {
    name: 'results have no unit',
    rule: 'FHR-04',
    sql: behindTriggers('update laboratory.lab_results set unit_ucum = null where value_num is not null'),
  },
  {
    name: 'a unit is written in words',
    rule: 'FHR-04',
    sql: behindTriggers(`update laboratory.lab_tests set unit_ucum = 'mg per dl' where code = 'CREAT'`),
  },
  {
    name: 'a unit has a letter that UCUM does not know',
    rule: 'FHR-04',
    sql: behindTriggers(`update clinical.observations set unit_ucum = 'µmol/L' where value_num is not null`),
  },
  {
    name: 'readings may have no unit',
    rule: 'FHR-04',
    sql: 'alter table device.telemetry alter column unit drop not null;',
  },
  {
    name: 'a condition may belong to nobody',
    rule: 'FHR-05',
    sql: 'alter table clinical.conditions drop constraint conditions_patient_fkey;',
  },
  {
    name: 'an order may name a visit that never was',
    rule: 'FHR-05',
    sql: 'alter table laboratory.lab_orders drop constraint lab_orders_encounter_fkey;',
  },
  {
    name: 'the reference to the patient was never validated',
    rule: 'FHR-05',
    sql: `
      alter table clinical.allergies drop constraint allergies_patient_fkey;
      alter table clinical.allergies add constraint allergies_patient_fkey foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id) not valid;`,
  },
  {
    name: 'readings are of a patient that does not exist',
    rule: 'FHR-05',
    sql: behindTriggers('update device.telemetry set patient_id = core.uuid_v7() where patient_id is not null'),
  },
  {
    name: 'a version may be written twice',
    rule: 'FHR-06',
    sql: 'alter table fhir.resource_versions drop constraint resource_versions_version_key;',
  },
  {
    name: 'a version may have no hash',
    rule: 'FHR-06',
    sql: 'alter table fhir.resource_versions alter column content_hash drop not null;',
  },
  {
    name: 'a hash may be anything',
    rule: 'FHR-06',
    sql: 'alter table fhir.resource_versions drop constraint resource_versions_hash_is_sha256;',
  },
  {
    name: 'versions can be changed',
    rule: 'FHR-06',
    sql: 'drop trigger resource_versions_append_only on fhir.resource_versions;',
  },
  {
    name: 'a version is of any type',
    rule: 'FHR-06',
    sql: 'alter table fhir.resource_versions drop constraint resource_versions_type_of_r4;',
  },
  {
    name: 'a column of local time',
    rule: 'FHR-07',
    sql: 'alter table clinical.encounters add column seen_at timestamp;',
  },
  {
    name: 'a time loses its zone',
    rule: 'FHR-07',
    sql: 'alter table clinical.imaging_results alter column critical_notified_at type timestamp(3) without time zone;',
  },
  {
    name: 'an identifier may have no system',
    rule: 'FHR-08',
    sql: 'alter table patient.patient_identifiers alter column system_uri drop not null;',
  },
  {
    name: 'the system of identifiers is no URI',
    rule: 'FHR-08',
    sql: behindTriggers(`update patient.patient_identifiers set system_uri = 'abha number'`),
  },
  {
    name: 'an encounter may have no class',
    rule: 'FHR-09',
    sql: 'alter table clinical.encounters alter column class drop not null;',
  },
  {
    name: 'a claim may have no type',
    rule: 'FHR-09',
    sql: 'alter table insurance.insurance_claims alter column claim_type_code drop not null;',
  },
  {
    name: 'an order may have no intent',
    rule: 'FHR-09',
    sql: 'alter table clinical.service_requests alter column intent drop not null;',
  },
  {
    name: 'a note may have no author',
    rule: 'FHR-09',
    sql: 'alter table clinical.medical_records alter column author_id drop not null;',
  },
  {
    name: 'a final result stays for good',
    rule: 'FHR-10',
    sql: behindTriggers(
      `delete from core.transition_rules where machine = 'laboratory.lab_results' and to_state = 'entered_in_error'`,
    ),
  },
  {
    name: 'an amended report stays for good',
    rule: 'FHR-10',
    sql: behindTriggers(
      `delete from core.transition_rules where machine = 'laboratory.diagnostic_reports' and from_state = 'amended' and to_state = 'entered_in_error'`,
    ),
  },
  {
    name: 'moves of observations are not enforced',
    rule: 'FHR-10',
    sql: 'drop trigger observations_transition on clinical.observations;',
  },
  {
    name: 'changes of conditions leave no trace',
    rule: 'FHR-11',
    sql: 'drop trigger audit_update on clinical.conditions;',
  },
  {
    name: 'the log of conditions is switched off',
    rule: 'FHR-11',
    sql: 'alter table clinical.conditions disable trigger audit_update;',
  },
  {
    name: 'the log of conditions writes nothing',
    rule: 'FHR-11',
    sql: 'create or replace function audit.log_clinical_conditions() returns trigger language plpgsql as $$ begin return null; end $$;',
  },
  {
    name: 'a column has a value that its value set does not know',
    rule: 'FHR-12',
    sql: behindTriggers(
      `update abdm.care_contexts set hi_type = 'Horoscope' where id = (select id from abdm.care_contexts order by id limit 1)`,
    ),
  },
  {
    name: 'a value set lost a code that is used',
    rule: 'FHR-12',
    sql: behindTriggers(
      `delete from fhir.value_set_members m using fhir.value_sets v where v.id = m.value_set_id and v.url = 'urn:abdm:hi-types' and m.code in (select hi_type from abdm.care_contexts)`,
    ),
  },
  {
    name: 'a value set is bound to a column that does not exist',
    rule: 'FHR-12',
    sql: behindTriggers(
      `update fhir.value_sets set bound_to = '{clinical.encounters.reason}' where url = 'urn:abdm:hi-types'`,
    ),
  },
  {
    name: 'a LOINC code has a wrong check digit',
    rule: 'FHR-13',
    sql: `
      alter table laboratory.lab_tests drop constraint lab_tests_loinc_valid;
      update laboratory.lab_tests set loinc = '718-8' where loinc = '718-7';`,
  },
  {
    name: 'a SNOMED CT code was rounded by a spreadsheet',
    rule: 'FHR-13',
    sql: `
      alter table clinical.conditions drop constraint conditions_snomed_code_valid;
      ${behindTriggers(`update clinical.conditions set code_system = 'http://snomed.info/sct', code = '73211000'`)}`,
  },
  {
    name: 'an order has a SNOMED CT code that is none',
    rule: 'FHR-13',
    sql: behindTriggers(
      `update clinical.service_requests set code_system = 'http://snomed.info/sct', code = '12345678'`,
    ),
  },
  {
    name: 'a prescription is rendered as another document',
    rule: 'FHR-15',
    sql: behindTriggers(
      `update fhir.concept_maps set target_code = '371530004' where source_system = 'urn:abdm:hi-type' and source_code = 'Prescription'`,
    ),
  },
  {
    name: 'a document type is mapped to nothing',
    rule: 'FHR-15',
    sql: behindTriggers(
      `delete from fhir.concept_maps where source_system = 'urn:abdm:hi-type' and source_code = 'DischargeSummary'`,
    ),
  },
  {
    name: 'a section lost its code',
    rule: 'FHR-15',
    sql: behindTriggers(`delete from fhir.value_set_members where code = '1003642006'`),
  },
]

export const harmless: readonly Harmless[] = [
  {
    name: 'a table is two resources',
    sql: `comment on table clinical.allergies is 'class=phi;scope=tenant;owner=clinical;fhir=AllergyIntolerance,Flag;retention=medical_record;about=Allergies.';`,
  },
  {
    name: 'a table is an element of a resource',
    sql: `comment on table inventory.stock_balances is 'class=operational;scope=tenant;owner=inventory;fhir=Medication.batch;retention=operational;about=On hand and reserved.';`,
  },
  {
    name: 'a new state comes with its code',
    sql: `
      insert into core.fhir_status_map (machine, state, element, code_system, code) values ('clinical.encounters', 'boarding', 'Encounter.status', 'http://hl7.org/fhir/encounter-status', 'in-progress');
      insert into core.transition_rules (machine, from_state, to_state) values ('clinical.encounters', 'in_progress', 'boarding');`,
  },
  {
    name: 'a machine that is no resource has a new state',
    sql: `insert into core.transition_rules (machine, from_state, to_state) values ('booking.booking_requests', 'held', 'parked');`,
  },
  {
    name: 'a state has another code of the same value set',
    sql: behindTriggers(
      `update core.fhir_status_map set code = 'unknown' where machine = 'clinical.encounters' and state = 'on_leave'`,
    ),
  },
  {
    name: 'one more move between known states',
    sql: `insert into core.transition_rules (machine, from_state, to_state) values ('clinical.encounters', 'arrived', 'on_leave') on conflict do nothing;`,
  },
  {
    name: 'a condition in another system',
    sql: behindTriggers(
      `update clinical.conditions set code_system = 'urn:oid:2.16.840.1.113883.6.90', code = 'X', display = 'X'`,
    ),
  },
  {
    name: 'an allergy to nothing',
    sql: behindTriggers(
      `update clinical.allergies set code_system = null, code = null, category = null where kind = 'none_known'`,
    ),
  },
  {
    name: 'units with annotations and brackets',
    sql: behindTriggers(`update clinical.observations set unit_ucum = '10*3/uL{cells}' where value_num is not null`),
  },
  {
    name: 'the result of a text test has no unit',
    sql: behindTriggers(
      `update laboratory.lab_results set value_num = null, value_text = 'seen', unit_ucum = null where status = 'preliminary'`,
    ),
  },
  {
    name: 'the reference to the patient has another name',
    sql: 'alter table clinical.conditions rename constraint conditions_patient_fkey to conditions_of_patient;',
  },
  {
    name: 'the reference to the encounter is deferrable',
    sql: 'alter table clinical.conditions alter constraint conditions_encounter_fkey deferrable initially deferred;',
  },
  {
    name: 'readings of a bed are of no patient',
    sql: behindTriggers('update device.telemetry set patient_id = null'),
  },
  {
    name: 'the key of versions has another name',
    sql: 'alter table fhir.resource_versions rename constraint resource_versions_version_key to resource_versions_once;',
  },
  {
    name: 'one more index of versions',
    sql: 'create index resource_versions_by_validator on fhir.resource_versions (tenant_id, validator) where validator is not null;',
  },
  {
    name: 'a column with a time zone, a date and an interval',
    sql: 'alter table clinical.encounters add column seen_at timestamptz, add column seen_on date, add column seen_for interval;',
  },
  {
    name: 'one more identifier of a patient',
    sql: behindTriggers(
      `insert into patient.patient_identifiers (tenant_id, patient_id, kind, system_uri, value_enc, value_bidx, value_last4) select tenant_id, id, 'hospital_card', 'urn:oid:1.2.3', '\\x01', decode(md5(id::text), 'hex'), '0000' from patient.patients`,
    ),
  },
  {
    name: 'a column that may be null becomes one that may not',
    sql: `
      update clinical.procedures set laterality = 'na' where laterality is null;
      alter table clinical.procedures alter column laterality set not null;`,
  },
  {
    name: 'one more way to say that a report was an error',
    sql: `insert into core.transition_rules (machine, from_state, to_state, requires_reason) values ('laboratory.diagnostic_reports', 'partial', 'entered_in_error', true);`,
  },
  {
    name: 'the transition trigger has another name',
    sql: 'alter trigger observations_transition on clinical.observations rename to observations_moves;',
  },
  {
    name: 'one more trigger on conditions',
    sql: `create trigger conditions_no_aadhaar_again before insert on clinical.conditions for each row execute function core.reject_aadhaar_like('display');`,
  },
  {
    name: 'the log fires always',
    sql: 'alter table clinical.conditions enable always trigger audit_update;',
  },
  {
    name: 'a new active value set that is bound to nothing',
    sql: behindTriggers(
      `insert into fhir.value_sets (tenant_id, url, version, name, status) values (null, 'urn:test:set', '1', 'Test', 'active')`,
    ),
  },
  {
    name: 'a draft is bound to a column that is to come',
    sql: `insert into fhir.value_sets (tenant_id, url, version, name, bound_to) values (null, 'urn:test:set', '1', 'Test', '{clinical.encounters.reason}');`,
  },
  {
    name: 'a tenant has a value set of its own with one code more',
    sql: behindTriggers(
      `insert into fhir.value_sets (tenant_id, url, version, name, bound_to, status) select t.id, v.url, 'own', v.name, v.bound_to, 'active' from fhir.value_sets v cross join core.tenants t where v.url = 'urn:abdm:hi-types' and v.tenant_id is null`,
      `insert into fhir.value_set_members (tenant_id, value_set_id, system, code, display, seq) select o.tenant_id, o.id, m.system, m.code, m.display, m.seq from fhir.value_sets o join fhir.value_sets v on v.url = o.url and v.tenant_id is null join fhir.value_set_members m on m.value_set_id = v.id where o.version = 'own'`,
      `insert into fhir.value_set_members (tenant_id, value_set_id, system, code, display, seq) select o.tenant_id, o.id, 'urn:abdm:hi-type', 'CareplanRecord', 'Care plan', 9 from fhir.value_sets o where o.version = 'own'`,
    ),
  },
  {
    name: 'a LOINC code with a right check digit',
    sql: `update laboratory.lab_tests set loinc = '2345-7' where code = 'CRP';`,
  },
  {
    name: 'a LOINC part is no LOINC number',
    sql: behindTriggers(
      `insert into fhir.value_set_members (tenant_id, value_set_id, system, code, display, seq) select null, v.id, 'http://loinc.org', 'LA6576-8', 'Positive', 99 from fhir.value_sets v where v.url = 'urn:nrces:composition-sections'`,
    ),
  },
  {
    name: 'one more HI type without a SNOMED CT code',
    sql: `insert into fhir.concept_maps (tenant_id, source_system, source_code, target_system, target_code, equivalence) values (null, 'urn:abdm:hi-type', 'Invoice', 'http://snomed.info/sct', '', 'unmatched');`,
  },
]
