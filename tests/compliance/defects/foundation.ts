import type { Defect, Harmless } from './defect.ts'
import { asAdministrator, behindTriggers } from './statements.ts'

export const defects: readonly Defect[] = [
  {
    name: 'a row may be without a tenant',
    rule: 'COR-01',
    sql: `
alter table clinical.allergies drop constraint allergies_pkey cascade;
alter table clinical.allergies alter column tenant_id drop not null;`,
  },
  {
    name: 'a new table forgot its tenant',
    rule: 'COR-01',
    sql: `
create table clinical.scratch_notes (id uuid primary key, body text not null);
comment on table clinical.scratch_notes is 'class=phi;scope=tenant;about=Notes.';`,
  },
  {
    name: 'a table of tenants calls itself global',
    rule: 'COR-01',
    sql: `comment on table billing.charge_items is 'class=financial;scope=global;about=Charges.';`,
  },
  {
    name: 'row level security is off on patients',
    rule: 'COR-02',
    sql: `alter table patient.patients disable row level security;`,
  },
  {
    name: 'row level security does not hold for the owner of encounters',
    rule: 'COR-02',
    sql: `alter table clinical.encounters no force row level security;`,
  },
  {
    name: 'row level security is off on one partition',
    rule: 'COR-02',
    sql: `alter table clinical.vital_signs_default disable row level security;`,
  },
  {
    name: 'a new table of a tenant has no row level security',
    rule: 'COR-02',
    sql: `
create table facility.door_codes (tenant_id uuid not null references core.tenants (id), id uuid not null, code text not null, primary key (tenant_id, id));
comment on table facility.door_codes is 'class=operational;scope=tenant;about=Codes of doors.';`,
  },
  {
    name: 'a second policy lets everybody read',
    rule: 'COR-03',
    sql: `create policy readers on inventory.batches for select using (true);`,
  },
  {
    name: 'a row may be written for another tenant',
    rule: 'COR-03',
    sql: `alter policy tenant_isolation on clinical.conditions with check (true);`,
  },
  {
    name: 'the policy lets rows through when nobody asks',
    rule: 'COR-03',
    sql: `alter policy tenant_isolation on clinical.procedures using (tenant_id = core.current_tenant_id() or core.current_tenant_id() is null);`,
  },
  {
    name: 'the policy of a table is gone',
    rule: 'COR-03',
    sql: `drop policy tenant_isolation on workforce.staff;`,
  },
  {
    name: 'a foreign key does not carry the tenant',
    rule: 'COR-04',
    sql: `
alter table facility.departments add constraint departments_id_alone unique (id);
alter table workforce.staff add constraint staff_department_alone_fkey foreign key (department_id) references facility.departments (id);`,
  },
  {
    name: 'a number is unique over all tenants',
    rule: 'COR-04',
    sql: `create unique index patients_mrn_everywhere on patient.patients (mrn);`,
  },
  {
    name: 'a shared row is referenced and nobody checks whose it is',
    rule: 'COR-04',
    sql: `drop trigger invoices_payer_visible on billing.invoices;`,
  },
  {
    name: 'the role of applications stands above the policies',
    rule: 'COR-05',
    sql: `alter role imhotep_app bypassrls;`,
  },
  {
    name: 'the role of one service may read everything',
    rule: 'COR-05',
    sql: `grant pg_read_all_data to lab_app;`,
  },
  {
    name: 'an application owns a table',
    rule: 'COR-05',
    sql: `alter table scheduling.schedules owner to appointment_app;`,
  },
  {
    name: 'the role of the platform stands above the policies',
    rule: 'COR-05',
    sql: `alter role imhotep_platform bypassrls;`,
  },
  {
    name: "a view reads with its owner's rights",
    rule: 'COR-06',
    sql: `
create view clinical.every_encounter as select * from clinical.encounters;
grant select on clinical.every_encounter to clinical_app;`,
  },
  {
    name: 'a function gives away ids of all tenants',
    rule: 'COR-06',
    sql: `
create function patient.find_by_sex(p_sex text) returns setof uuid language sql stable security definer set search_path = pg_catalog, pg_temp as 'select id from patient.patients';
grant execute on function patient.find_by_sex(text) to clinical_app;`,
  },
  {
    name: 'a policy for one role opens a table',
    rule: 'COR-06',
    sql: `create policy support on billing.invoices for select to billing_app using (true);`,
  },
  {
    name: 'a request without a tenant is taken for the first one',
    rule: 'COR-06',
    sql: `create or replace function core.current_tenant_id() returns uuid language sql stable parallel safe as $$ select coalesce(nullif(current_setting('app.tenant_id', true), '')::uuid, 'da000000-0000-7000-8000-000000000000') $$;`,
  },
  {
    name: 'the index of a foreign key is gone',
    rule: 'COR-07',
    sql: `drop index scheduling.appointments_encounter_idx;`,
  },
  {
    name: 'a new reference has no index',
    rule: 'COR-07',
    sql: `
alter table facility.locations add column key_holder_id uuid;
alter table facility.locations add constraint locations_key_holder_fkey foreign key (tenant_id, key_holder_id) references workforce.staff (tenant_id, id);`,
  },
  {
    name: 'a price is a floating point number',
    rule: 'COR-08',
    sql: `alter table billing.tariffs alter column discount_pct drop default, alter column discount_pct type double precision using discount_pct;`,
  },
  {
    name: 'costs are kept as a list of floating point numbers',
    rule: 'COR-08',
    sql: `alter table inventory.batches add column past_costs real[];`,
  },
  {
    name: 'an operation trusts the search path of its caller',
    rule: 'COR-09',
    sql: `alter function scheduling.confirm_appointment(uuid) reset search_path;`,
  },
  {
    name: 'an operation searches a schema that others write to',
    rule: 'COR-09',
    sql: `alter function scheduling.cancel_appointment(uuid, text) set search_path = public, pg_catalog;`,
  },
  {
    name: 'nobody enforces the states of appointments',
    rule: 'COR-10',
    sql: `drop trigger appointments_transition on scheduling.appointments;`,
  },
  {
    name: 'the states of a charge are not enforced any more',
    rule: 'COR-10',
    sql: `alter table billing.charge_items disable trigger charge_items_transition;`,
  },
  {
    name: 'a machine has lost its rules',
    rule: 'COR-10',
    sql: behindTriggers(`delete from core.transition_rules where machine = 'clinical.procedures';`),
  },
  {
    name: 'a machine has lost its rules and its trigger',
    rule: 'COR-10',
    sql: behindTriggers(`
delete from core.transition_rules where machine = 'clinical.admissions';
drop trigger admissions_transition on clinical.admissions;`),
  },
  {
    name: 'a migration did not end',
    rule: 'COR-11',
    sql: `update core.schema_migrations set success = false where kind <> 'seed';`,
  },
  {
    name: 'the recorded text is not what was applied',
    rule: 'COR-11',
    sql: `update core.schema_migrations set body = body || '-- later' where kind <> 'seed';`,
  },
  {
    name: 'nothing refuses demo data',
    rule: 'COR-12',
    sql: `create or replace function core.assert_not_production() returns void language plpgsql stable as 'begin null; end';`,
  },
  {
    name: 'production is taken for development',
    rule: 'COR-12',
    sql: `create or replace function core.environment() returns text language sql stable as $$ select 'dev' $$;`,
  },
  {
    name: 'stock appeared without a movement',
    rule: 'COR-13',
    sql: behindTriggers(
      `update inventory.stock_balances set on_hand = on_hand + 5 where id = (select min(id::text)::uuid from inventory.stock_balances);`,
    ),
  },
  {
    name: 'a movement of stock was removed',
    rule: 'COR-13',
    sql: behindTriggers(
      `delete from inventory.stock_movements where id = (select min(id::text)::uuid from inventory.stock_movements);`,
    ),
  },
  {
    name: 'stock has movements and no balance',
    rule: 'COR-13',
    sql: behindTriggers(
      `delete from inventory.stock_balances where id = (select min(id::text)::uuid from inventory.stock_balances where on_hand > 0);`,
    ),
  },
  {
    name: 'one side of a posting was changed',
    rule: 'COR-14',
    sql: behindTriggers(
      `update billing.ledger_entries set amount = amount + 1 where id = (select min(id::text)::uuid from billing.ledger_entries);`,
    ),
  },
  {
    name: 'one side of a posting is gone',
    rule: 'COR-14',
    sql: behindTriggers(
      `delete from billing.ledger_entries where id = (select min(id::text)::uuid from billing.ledger_entries where direction = 'credit');`,
    ),
  },
  {
    name: 'a bill got a number out of the row',
    rule: 'COR-15',
    sql: behindTriggers(
      `update billing.invoices set invoice_number = 'B-000009' where kind = 'bill_of_supply' and invoice_number = 'B-000002';`,
    ),
  },
  {
    name: 'the last bill is gone',
    rule: 'COR-15',
    sql: behindTriggers(`delete from billing.invoices where kind = 'tax_invoice' and invoice_number = 'T-000002';`),
  },
  {
    name: 'numbers of bills may be longer than 16 characters',
    rule: 'COR-15',
    sql: `alter table billing.invoices drop constraint invoices_number_form;`,
  },
  {
    name: 'two bills have the same number',
    rule: 'COR-15',
    sql: behindTriggers(`
alter table billing.invoices drop constraint invoices_number_once_a_year;
update billing.invoices set invoice_number = 'T-000001' where kind = 'tax_invoice' and invoice_number = 'T-000002';`),
  },
  {
    name: 'a view of appointments reads the ledger',
    rule: 'COR-16',
    sql: `
create view scheduling.money_of_patients with (security_invoker = true) as select e.tenant_id, e.patient_id, sum(e.amount) as amount from billing.ledger_entries e group by e.tenant_id, e.patient_id;
alter view scheduling.money_of_patients owner to appointment_owner;
grant select on scheduling.money_of_patients to appointment_app;`,
  },
  {
    name: 'a table that a view of another service reads is granted to it no longer',
    rule: 'COR-16',
    sql: `revoke select on facility.locations from appointment_owner, appointment_app, appointment_ro;`,
  },
  {
    name: 'a table says nothing of itself',
    rule: 'COR-17',
    sql: `comment on table clinical.observations is null;`,
  },
  {
    name: 'a column has no class',
    rule: 'COR-17',
    sql: `comment on column patient.patients.given_name is 'The name.';`,
  },
  {
    name: 'a column has a class that nobody knows',
    rule: 'COR-17',
    sql: `comment on column patient.patients.given_name is 'class=secret;about=The name.';`,
  },
  {
    name: 'a task was written without a clock',
    rule: 'COR-18',
    sql: behindTriggers(`
alter table tasking.tasks alter column hlc_physical_us drop not null;
update tasking.tasks set hlc_physical_us = null where id = (select min(id::text)::uuid from tasking.tasks);`),
  },
  {
    name: 'the vector clock of a handover is empty',
    rule: 'COR-18',
    sql: behindTriggers(
      `update tasking.handovers set vector_clock = '{}' where id = (select min(id::text)::uuid from tasking.handovers);`,
    ),
  },
]

export const harmless: readonly Harmless[] = [
  {
    name: 'one more index',
    sql: `create index encounters_created_idx on clinical.encounters (tenant_id, created_at);`,
  },
  {
    name: 'one more column',
    sql: `
alter table facility.locations add column floor_name text;
comment on column facility.locations.floor_name is 'class=operational;about=What people call the floor.';`,
  },
  {
    name: 'a comment in other words',
    sql: `comment on column facility.locations.name is 'class=operational;about=What people call the place.';`,
  },
  {
    name: 'a constraint has another name',
    sql: `alter table billing.invoices rename constraint invoices_number_form to invoices_number_fits_gst;`,
  },
  {
    name: 'a foreign key has another name',
    sql: `alter table scheduling.appointments rename constraint appointments_doctor_fkey to appointments_who_fkey;`,
  },
  {
    name: 'an index has another name',
    sql: `alter index scheduling.appointments_clinic_idx rename to appointments_by_clinic;`,
  },
  {
    name: 'a wider index in the place of the index of a foreign key',
    sql: `
create index appointments_of_encounter_idx on scheduling.appointments (tenant_id, encounter_id, starts_at);
drop index scheduling.appointments_encounter_idx;`,
  },
  {
    name: 'one more check',
    sql: `alter table billing.invoices add constraint invoices_total_not_negative check (total >= 0);`,
  },
  {
    name: 'a policy that restricts further',
    sql: `create policy own_department on workforce.staff as restrictive for select using (department_id is not null);`,
  },
  {
    name: 'a trigger has another name',
    sql: `alter trigger appointments_transition on scheduling.appointments rename to appointments_states;`,
  },
  {
    name: 'one more trigger',
    sql: `create trigger locations_no_aadhaar_again before insert or update of name on facility.locations for each row execute function core.reject_aadhaar_like('name');`,
  },
  {
    name: 'one more move of a machine',
    sql: `insert into core.transition_rules (machine, from_state, to_state) values ('scheduling.appointments', 'no_show', 'checked_in');`,
  },
  {
    name: 'one more table, made as it should be',
    sql: `
create table facility.door_codes (tenant_id uuid not null references core.tenants (id), id uuid not null default core.uuid_v7(), code text not null, primary key (tenant_id, id));
comment on table facility.door_codes is 'class=operational;scope=tenant;about=Codes of doors.';
comment on column facility.door_codes.tenant_id is 'class=operational;about=The tenant.';
comment on column facility.door_codes.id is 'class=operational;about=Identity.';
comment on column facility.door_codes.code is 'class=operational;about=The code.';
alter table facility.door_codes owner to facility_owner;
alter table facility.door_codes enable row level security;
alter table facility.door_codes force row level security;
create policy tenant_isolation on facility.door_codes using (tenant_id = (select core.current_tenant_id())) with check (tenant_id = (select core.current_tenant_id()));
grant select, insert on facility.door_codes to facility_app;`,
  },
  {
    name: "one more view with its caller's rights",
    sql: `
create view facility.wards with (security_invoker = true) as select l.tenant_id, l.id, l.name from facility.locations l where l.kind = 'ward';
alter view facility.wards owner to facility_owner;
grant select on facility.wards to facility_app;`,
  },
  {
    name: 'one more function, made as it should be',
    sql: `
create function facility.count_wards() returns bigint language sql stable security definer set search_path = pg_catalog, pg_temp as $$ select count(*) from facility.locations l where l.tenant_id = core.require_tenant() and l.kind = 'ward' $$;
alter function facility.count_wards() owner to facility_owner;
revoke execute on function facility.count_wards() from public;
grant execute on function facility.count_wards() to facility_app;`,
  },
  {
    name: 'a function that says the same in other words',
    sql: `create or replace function core.assert_not_production() returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$ begin if coalesce(core.environment(), 'production') = 'production' then raise exception 'no demo data here' using errcode = 'IM006'; end if; end $$;`,
  },
  {
    name: 'a role of an administrator, without rights in the schemas',
    sql: `create role the_administrator superuser;`,
  },
  {
    name: 'one more reader of a service',
    sql: `
create role dashboards;
grant usage on schema facility to dashboards;
grant select on facility.beds to dashboards;`,
  },
  {
    name: 'a third tenant',
    sql: `select core.provision_tenant('dc000000-0000-7000-8000-000000000000', 'third', 'Third Hospital', 'hospital', 'IN', 'Asia/Kolkata', 'INR');`,
  },
  {
    name: 'one more migration',
    sql: `
insert into core.schema_migrations (version, name, kind, file, checksum, chain, body, duration_ms, success, tool_version)
select '9999', 'later', 'versioned', 'V9999__later.sql', sha256('select 1'), sha256('chain'), 'select 1', 1, true, '0.1.0';`,
  },
  {
    name: 'a posting with two sides',
    sql: asAdministrator(`
insert into billing.ledger_entries (tenant_id, txn_id, line_no, account_code, direction, amount, currency, ref_type, ref_id, clinic_id)
select e.tenant_id, '0d000000-0000-7000-8000-000000000001', line.no, line.account, line.direction, 10, e.currency, e.ref_type, '0d000000-0000-7000-8000-000000000002', e.clinic_id
from (select * from billing.ledger_entries where tenant_id = 'da000000-0000-7000-8000-000000000000' order by id limit 1) as e, (values (1::smallint, 'revenue', 'debit'), (2::smallint, 'discount', 'credit')) as line (no, account, direction);`),
  },
  {
    name: 'numbers of the next fiscal year begin at one',
    sql: behindTriggers(`
insert into core.id_sequences (tenant_id, scope, series, period, period_key, prefix, pad, last_value)
select tenant_id, scope, series, period, 'FY2027-28', prefix, pad, 1 from core.id_sequences where scope = 'tax_invoice' and period_key = 'FY2026-27';
insert into billing.invoices select (jsonb_populate_record(i, jsonb_build_object('id', core.uuid_v7(), 'invoice_number', 'T-000001', 'fiscal_year', 'FY2027-28'))).* from billing.invoices i where kind = 'tax_invoice' and invoice_number = 'T-000001';`),
  },
  {
    name: 'statistics of two columns together',
    sql: `create statistics scheduling.appointments_doctor_start on doctor_id, starts_at from scheduling.appointments;`,
  },
  {
    name: 'room for updates in the pages of a table',
    sql: `alter table scheduling.appointment_slots set (fillfactor = 70);`,
  },
]
