-- blood_bank.donors: people who give blood. A donor is one mobile number and birth date; donor and patient are
-- different roles of a person and are joined by patient_id only when somebody said so.
--
-- Whether a donor may give is not a column: it follows from donor_deferrals and the last donation, and is asked again at
-- each screening (IM359). status is what the last decision was.

create table blood_bank.donors (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  donor_number text not null,
  patient_id uuid,
  name text not null,
  sex text not null,
  birth_date date not null,
  mobile_enc bytea not null,
  mobile_bidx bytea not null,
  address_enc bytea,
  donor_type text not null,
  blood_group text,
  last_whole_blood_on date,
  last_apheresis_on date,
  total_donations integer not null default 0,
  permanent_deferral boolean not null default false,
  consent_to_recall boolean not null default false,
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint donors_pkey primary key (tenant_id, id),
  constraint donors_sex_check check (sex in ('male', 'female', 'other')),
  constraint donors_donor_type_check check (donor_type in ('voluntary', 'replacement', 'autologous', 'directed')),
  constraint donors_status_check check (status in ('active', 'deferred', 'inactive', 'permanently_deferred')),
  constraint donors_blood_group_known check (blood_group ~ '^(A|B|AB|O)[+-]$'),
  -- to a day, wherever the tenant is; a screening asks to the day
  constraint donors_of_age check (birth_date <= (created_at at time zone 'UTC')::date + 1 - interval '18 years'),
  constraint donors_total_not_negative check (total_donations >= 0),
  constraint donors_permanent_deferral_is_a_state check (permanent_deferral = (status = 'permanently_deferred'))
);

alter table blood_bank.donors add constraint donors_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table blood_bank.donors add constraint donors_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);

create unique index donors_donor_number_key on blood_bank.donors (tenant_id, donor_number)
  where deleted_at is null;
create unique index donors_mobile_bidx_birth_date_key on blood_bank.donors (tenant_id, mobile_bidx, birth_date)
  where deleted_at is null;
create index donors_patient_idx on blood_bank.donors (tenant_id, patient_id)
  where patient_id is not null;

comment on table blood_bank.donors is 'class=phi;scope=tenant;owner=lab;fhir=Patient;retention=medical_record;about=Blood donors.';
comment on column blood_bank.donors.donor_number is 'class=pii;about=Number on the donor card, series donor.';
comment on column blood_bank.donors.patient_id is 'class=phi;about=The donor as a patient of this tenant, for autologous donors and where it is known.';
comment on column blood_bank.donors.name is 'class=pii;about=Name on the proof of identity that the donor showed.';
comment on column blood_bank.donors.sex is 'class=pii;about=male, female or other; decides the interval between donations.';
comment on column blood_bank.donors.birth_date is 'class=pii;about=Date of birth.';
comment on column blood_bank.donors.mobile_enc is 'class=pii;enc=1;about=Mobile number, encrypted; the donor is recalled on it.';
comment on column blood_bank.donors.mobile_bidx is 'class=pii;about=Blind index of the mobile number.';
comment on column blood_bank.donors.address_enc is 'class=pii;enc=1;about=Postal address, encrypted.';
comment on column blood_bank.donors.donor_type is 'class=operational;about=voluntary, replacement, autologous or directed.';
comment on column blood_bank.donors.blood_group is 'class=phi;about=ABO and RhD group such as AB-, from the first donation that was released; null before.';
comment on column blood_bank.donors.last_whole_blood_on is 'class=phi;about=Day of the last donation of whole blood or double red cells.';
comment on column blood_bank.donors.last_apheresis_on is 'class=phi;about=Day of the last donation of platelets or plasma.';
comment on column blood_bank.donors.total_donations is 'class=phi;about=Completed donations; changed by operations only.';
comment on column blood_bank.donors.permanent_deferral is 'class=phi;about=True exactly when status is permanently_deferred.';
comment on column blood_bank.donors.consent_to_recall is 'class=operational;about=The donor agreed to be called for donations and results.';
comment on column blood_bank.donors.status is 'class=phi;about=active, deferred (until the last deferral lapses), inactive or permanently_deferred.';
select core.comment_standard_columns('blood_bank.donors');

alter table blood_bank.donors enable row level security, force row level security;
create policy tenant_isolation on blood_bank.donors
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger donors_no_aadhaar before insert or update on blood_bank.donors
  for each row execute function core.reject_aadhaar_like('donor_number', 'name');
create trigger donors_touch before update on blood_bank.donors
  for each row execute function core.update_updated_at_column('row_version');
create trigger donors_transition before insert or update of status on blood_bank.donors
  for each row execute function core.enforce_transition('blood_bank.donors', 'status');
select audit.track('blood_bank.donors');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.donors', '', 'active', false, null),
  ('blood_bank.donors', 'active', 'deferred', false, null),
  ('blood_bank.donors', 'active', 'inactive', false, null),
  ('blood_bank.donors', 'active', 'permanently_deferred', false, null),
  ('blood_bank.donors', 'deferred', 'active', false, null),
  ('blood_bank.donors', 'deferred', 'permanently_deferred', false, null),
  ('blood_bank.donors', 'inactive', 'active', false, null),
  ('blood_bank.donors', 'inactive', 'permanently_deferred', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- the number, the group, the dates and the state belong to operations
grant select on blood_bank.donors to lab_app;
grant update (name, mobile_enc, mobile_bidx, address_enc, donor_type, consent_to_recall, patient_id, row_version)
  on blood_bank.donors to lab_app;
grant select on blood_bank.donors to lab_ro;
