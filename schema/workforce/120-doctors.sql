-- What a registered medical practitioner has on top of a row of workforce.staff.

create table workforce.doctors (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  staff_id uuid not null,
  registration_no text not null,
  registration_council text not null,
  registration_valid_to date,
  hpr_id text,
  qualification text not null,
  specialty_codes text[] not null default '{}',
  consultation_minutes smallint not null default 15,
  default_fee numeric(14,2) not null default 0,
  accepts_appointments boolean not null default true,
  telemedicine_enabled boolean not null default false,
  signature_key_ref text,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint doctors_pkey primary key (tenant_id, id),
  constraint doctors_consultation_3_to_240_minutes check (consultation_minutes between 3 and 240),
  constraint doctors_hpr_id_format check (hpr_id ~ '^[0-9]{2}-?[0-9]{4}-?[0-9]{4}-?[0-9]{4}$'),
  constraint doctors_fee_not_negative check (default_fee >= 0)
);

alter table workforce.doctors add constraint doctors_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table workforce.doctors add constraint doctors_staff_fkey
  foreign key (tenant_id, staff_id) references workforce.staff (tenant_id, id);

create unique index doctors_staff_key on workforce.doctors (tenant_id, staff_id) where deleted_at is null;
create unique index doctors_registration_key on workforce.doctors (tenant_id, registration_council, registration_no)
  where deleted_at is null;
create index doctors_staff_idx on workforce.doctors (tenant_id, staff_id);
create index doctors_registration_valid_to_idx on workforce.doctors (tenant_id, registration_valid_to)
  where deleted_at is null;

comment on table workforce.doctors is 'class=pii;scope=tenant;owner=business;fhir=Practitioner,PractitionerRole;retention=medical_record;about=Registered medical practitioner data on top of staff.';
comment on column workforce.doctors.staff_id is 'class=pii;about=The person.';
comment on column workforce.doctors.registration_no is 'class=pii;about=Registration number at the medical council.';
comment on column workforce.doctors.registration_council is 'class=pii;about=The council that registered the doctor.';
comment on column workforce.doctors.registration_valid_to is 'class=pii;about=Last day of the registration; null when it does not lapse.';
comment on column workforce.doctors.hpr_id is 'class=pii;about=Healthcare Professionals Registry id (ABDM), 14 digits.';
comment on column workforce.doctors.qualification is 'class=pii;about=Degrees as printed on a prescription.';
comment on column workforce.doctors.specialty_codes is 'class=operational;about=Specialties (SNOMED CT or the tenant''s own codes).';
comment on column workforce.doctors.consultation_minutes is 'class=operational;about=Usual length of a consultation in minutes.';
comment on column workforce.doctors.default_fee is 'class=financial;about=Usual consultation fee in the tenant''s currency.';
comment on column workforce.doctors.accepts_appointments is 'class=operational;about=Can be booked.';
comment on column workforce.doctors.telemedicine_enabled is 'class=operational;about=Also sees patients by video.';
comment on column workforce.doctors.signature_key_ref is 'class=pii;about=Reference to the signing key in the key store; never the key.';
select core.comment_standard_columns('workforce.doctors');

alter table workforce.doctors enable row level security, force row level security;
create policy tenant_isolation on workforce.doctors
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger doctors_touch before update on workforce.doctors
  for each row execute function core.update_updated_at_column('row_version');
select audit.track('workforce.doctors');

grant select, insert, update on workforce.doctors to business_app;
grant select on workforce.doctors to business_ro;
