-- Every employee, consultant, resident and contractor. Names are searchable plaintext, contact data and the date of
-- birth are encrypted. Search by prefix: given_name_lc ~>=~ 'ab' and given_name_lc ~<~ 'ac'.

create table workforce.staff (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  employee_code text not null,
  user_id uuid,
  given_name text not null,
  family_name text,
  given_name_lc text generated always as (lower(given_name)) stored,
  family_name_lc text generated always as (lower(family_name)) stored,
  sex text not null,
  dob_enc bytea,
  phone_enc bytea not null,
  phone_bidx bytea not null,
  email_enc bytea,
  kind text not null,
  department_id uuid not null,
  designation text not null,
  employment_type text not null,
  joined_on date not null,
  left_on date,
  status text not null default 'onboarding',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint staff_pkey primary key (tenant_id, id),
  constraint staff_sex_check check (sex in ('male', 'female', 'other', 'unknown')),
  constraint staff_kind_check check (
    kind in (
      'doctor', 'nurse', 'technician', 'pharmacist', 'lab_scientist', 'radiographer', 'administrator', 'support'
    )
  ),
  constraint staff_employment_type_check check (
    employment_type in ('full_time', 'part_time', 'visiting', 'contract', 'trainee')
  ),
  constraint staff_status_check check (status in ('onboarding', 'active', 'on_leave', 'suspended', 'left')),
  constraint staff_left_after_joining check (left_on is null or left_on >= joined_on)
);

alter table workforce.staff add constraint staff_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table workforce.staff add constraint staff_user_fkey
  foreign key (tenant_id, user_id) references auth.users (tenant_id, id);
alter table workforce.staff add constraint staff_department_fkey
  foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);

create unique index staff_employee_code_key on workforce.staff (tenant_id, employee_code) where deleted_at is null;
create unique index staff_user_key on workforce.staff (tenant_id, user_id)
  where user_id is not null and deleted_at is null;
create index staff_user_idx on workforce.staff (tenant_id, user_id) where user_id is not null;
create index staff_department_idx on workforce.staff (tenant_id, department_id);
create index staff_phone_idx on workforce.staff (tenant_id, phone_bidx);
create index staff_given_name_idx on workforce.staff (tenant_id, given_name_lc text_pattern_ops);
create index staff_family_name_idx on workforce.staff (tenant_id, family_name_lc text_pattern_ops);

comment on table workforce.staff is 'class=pii;scope=tenant;owner=business;fhir=Practitioner;retention=medical_record;about=Every employee, consultant, resident and contractor.';
comment on column workforce.staff.employee_code is 'class=pii;about=Code in the books of the employer, unique in the tenant.';
comment on column workforce.staff.user_id is 'class=pii;about=The account of this person, where there is one.';
comment on column workforce.staff.given_name is 'class=pii;about=Given name.';
comment on column workforce.staff.family_name is 'class=pii;about=Family name, where the person has one.';
comment on column workforce.staff.given_name_lc is 'class=pii;about=Given name in lower case, for search.';
comment on column workforce.staff.family_name_lc is 'class=pii;about=Family name in lower case, for search.';
comment on column workforce.staff.sex is 'class=pii;about=male, female, other or unknown.';
comment on column workforce.staff.dob_enc is 'class=pii;enc=1;about=Date of birth, encrypted.';
comment on column workforce.staff.phone_enc is 'class=pii;enc=1;about=Mobile number in E.164, encrypted.';
comment on column workforce.staff.phone_bidx is 'class=pii;about=Blind index of the normalised mobile number.';
comment on column workforce.staff.email_enc is 'class=pii;enc=1;about=E-mail address, encrypted.';
comment on column workforce.staff.kind is 'class=operational;about=doctor, nurse, technician, pharmacist, lab_scientist, radiographer, administrator or support.';
comment on column workforce.staff.department_id is 'class=operational;about=Home department.';
comment on column workforce.staff.designation is 'class=operational;about=Job title.';
comment on column workforce.staff.employment_type is 'class=operational;about=full_time, part_time, visiting, contract or trainee.';
comment on column workforce.staff.joined_on is 'class=operational;about=First day of work.';
comment on column workforce.staff.left_on is 'class=operational;about=Last day of work.';
comment on column workforce.staff.status is 'class=operational;about=onboarding, active, on_leave, suspended or left.';
select core.comment_standard_columns('workforce.staff');

alter table workforce.staff enable row level security, force row level security;
create policy tenant_isolation on workforce.staff
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger staff_touch before update on workforce.staff
  for each row execute function core.update_updated_at_column('row_version');
create trigger staff_transition before insert or update of status on workforce.staff
  for each row execute function core.enforce_transition('workforce.staff', 'status');
create trigger staff_no_aadhaar before insert or update of employee_code, given_name, family_name on workforce.staff
  for each row execute function core.reject_aadhaar_like('employee_code', 'given_name', 'family_name');
select audit.track('workforce.staff');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('workforce.staff', '', 'onboarding', false, null),
  ('workforce.staff', 'onboarding', 'active', false, null),
  ('workforce.staff', 'onboarding', 'left', false, null),
  ('workforce.staff', 'active', 'on_leave', false, null),
  ('workforce.staff', 'active', 'suspended', true, null),
  ('workforce.staff', 'active', 'left', false, null),
  ('workforce.staff', 'on_leave', 'active', false, null),
  ('workforce.staff', 'on_leave', 'left', false, null),
  ('workforce.staff', 'suspended', 'active', false, null),
  ('workforce.staff', 'suspended', 'left', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on workforce.staff to business_app;
grant select on workforce.staff to business_ro;
