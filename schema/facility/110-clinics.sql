-- A care site of any kind: hospital, clinic, laboratory, pharmacy, blood centre. Registry numbers are those of the
-- Indian registries; sites elsewhere leave them empty.

create table facility.clinics (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  code text not null,
  name text not null,
  kind text not null,
  ownership text not null default 'private',
  country char(2) not null,
  timezone text not null,
  address jsonb not null default '{}',
  pin_code text,
  state_code text,
  district_lgd integer,
  phone text,
  opening_hours jsonb not null default '{}',
  bed_capacity integer not null default 0,
  hfr_id text,
  hip_id text,
  nin_id text,
  rohini_id text,
  pmjay_hospital_id text,
  establishment_reg_no text,
  gstin text,
  drug_licence_no text,
  nabh_no text,
  nabl_no text,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint clinics_pkey primary key (tenant_id, id),
  constraint clinics_code_format check (code ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,19}$'),
  constraint clinics_kind_check check (
    kind in ('hospital', 'clinic', 'day_care', 'diagnostic_lab', 'pharmacy', 'blood_centre', 'telehealth')
  ),
  constraint clinics_ownership_known check (ownership in ('public', 'private', 'charitable')),
  constraint clinics_status_check check (status in ('draft', 'active', 'suspended', 'closed')),
  constraint clinics_country_format check (country ~ '^[A-Z]{2}$'),
  constraint clinics_gstin_valid check (gstin is null or core.valid_gstin(gstin)),
  constraint clinics_indian_pin_code check (country <> 'IN' or pin_code ~ '^[1-9][0-9]{5}$'),
  constraint clinics_bed_capacity_not_negative check (bed_capacity >= 0),
  constraint clinics_address_is_object check (jsonb_typeof(address) = 'object'),
  constraint clinics_opening_hours_is_object check (jsonb_typeof(opening_hours) = 'object')
);

alter table facility.clinics add constraint clinics_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

create unique index clinics_code_key on facility.clinics (tenant_id, code) where deleted_at is null;
create unique index clinics_hfr_id_key on facility.clinics (tenant_id, hfr_id)
  where hfr_id is not null and deleted_at is null;

comment on table facility.clinics is 'class=operational;scope=tenant;owner=facility;fhir=Organization,Location;retention=operational;about=A care site of any kind (hospital, clinic, laboratory, pharmacy, blood centre).';
comment on column facility.clinics.code is 'class=operational;about=Short code, unique in the tenant; appears in numbers such as those of appointments.';
comment on column facility.clinics.name is 'class=operational;about=Name of the site.';
comment on column facility.clinics.kind is 'class=operational;about=hospital, clinic, day_care, diagnostic_lab, pharmacy, blood_centre or telehealth.';
comment on column facility.clinics.ownership is 'class=operational;about=public, private or charitable: some packages of schemes are reserved for public hospitals.';
comment on column facility.clinics.country is 'class=operational;about=ISO 3166-1 alpha-2 code.';
comment on column facility.clinics.timezone is 'class=operational;about=IANA time zone; opening hours, schedules and days of numbers are counted in it.';
comment on column facility.clinics.address is 'class=operational;about=Postal address: lines, city, district, state.';
comment on column facility.clinics.pin_code is 'class=operational;about=Postal code; six digits in India.';
comment on column facility.clinics.state_code is 'class=operational;about=State by its GST or ISO 3166-2 code.';
comment on column facility.clinics.district_lgd is 'class=operational;about=District by its code in the Local Government Directory.';
comment on column facility.clinics.phone is 'class=operational;about=Public telephone number of the site.';
comment on column facility.clinics.opening_hours is 'class=operational;about=Weekday to list of {from, to} in local time; empty means not declared.';
comment on column facility.clinics.bed_capacity is 'class=operational;about=Sanctioned number of beds.';
comment on column facility.clinics.hfr_id is 'class=operational;about=Health Facility Registry id (ABDM).';
comment on column facility.clinics.hip_id is 'class=operational;about=Id as Health Information Provider (ABDM).';
comment on column facility.clinics.nin_id is 'class=operational;about=National Identification Number of a public facility.';
comment on column facility.clinics.rohini_id is 'class=operational;about=Id in the insurers'' hospital registry ROHINI.';
comment on column facility.clinics.pmjay_hospital_id is 'class=operational;about=Empanelment id under PM-JAY.';
comment on column facility.clinics.establishment_reg_no is 'class=operational;about=Registration under the clinical establishments law.';
comment on column facility.clinics.gstin is 'class=operational;about=Goods and Services Tax number; its check character is tested.';
comment on column facility.clinics.drug_licence_no is 'class=operational;about=Drug licence of its pharmacy.';
comment on column facility.clinics.nabh_no is 'class=operational;about=NABH accreditation number.';
comment on column facility.clinics.nabl_no is 'class=operational;about=NABL accreditation number of its laboratory.';
comment on column facility.clinics.status is 'class=operational;about=draft, active, suspended or closed (for good).';
select core.comment_standard_columns('facility.clinics');

alter table facility.clinics enable row level security, force row level security;
create policy tenant_isolation on facility.clinics
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger clinics_touch before update on facility.clinics
  for each row execute function core.update_updated_at_column('row_version');
create trigger clinics_transition before insert or update of status on facility.clinics
  for each row execute function core.enforce_transition('facility.clinics', 'status');
create trigger clinics_check before insert or update of timezone, hfr_id on facility.clinics
  for each row execute function facility.check_clinic();

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('facility.clinics', '', 'draft', false, null),
  ('facility.clinics', 'draft', 'active', false, null),
  ('facility.clinics', 'active', 'suspended', true, null),
  ('facility.clinics', 'active', 'closed', true, null),
  ('facility.clinics', 'suspended', 'active', false, null),
  ('facility.clinics', 'suspended', 'closed', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on facility.clinics to facility_app;
grant select on facility.clinics to facility_ro;
