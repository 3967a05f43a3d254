-- Clinical and support departments of a clinic. The tree of departments has no cycles.

create table facility.departments (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  clinic_id uuid not null,
  parent_department_id uuid,
  code text not null,
  name text not null,
  kind text not null,
  specialty_code text,
  cost_centre text,
  head_staff_id uuid,
  active boolean not null default true,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint departments_pkey primary key (tenant_id, id),
  constraint departments_kind_check check (kind in ('clinical', 'diagnostic', 'pharmacy', 'support', 'administrative'))
);

alter table facility.departments add constraint departments_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table facility.departments add constraint departments_clinic_fkey
  foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
alter table facility.departments add constraint departments_parent_department_fkey
  foreign key (tenant_id, parent_department_id) references facility.departments (tenant_id, id);
alter table facility.departments add constraint departments_head_staff_fkey
  foreign key (tenant_id, head_staff_id) references workforce.staff (tenant_id, id)
  deferrable initially deferred;

create unique index departments_code_key on facility.departments (tenant_id, clinic_id, code)
  where deleted_at is null;
create index departments_clinic_idx on facility.departments (tenant_id, clinic_id);
create index departments_parent_department_idx on facility.departments (tenant_id, parent_department_id)
  where parent_department_id is not null;
create index departments_head_staff_idx on facility.departments (tenant_id, head_staff_id)
  where head_staff_id is not null;

comment on table facility.departments is 'class=operational;scope=tenant;owner=facility;fhir=Organization;retention=operational;about=Clinical and support departments.';
comment on column facility.departments.clinic_id is 'class=operational;about=The clinic it belongs to.';
comment on column facility.departments.parent_department_id is 'class=operational;about=The department above it in the same clinic.';
comment on column facility.departments.code is 'class=operational;about=Short code, unique in the clinic.';
comment on column facility.departments.name is 'class=operational;about=Name of the department.';
comment on column facility.departments.kind is 'class=operational;about=clinical, diagnostic, pharmacy, support or administrative.';
comment on column facility.departments.specialty_code is 'class=operational;about=Medical specialty (SNOMED CT or the tenant''s own code).';
comment on column facility.departments.cost_centre is 'class=operational;about=Cost centre in the books.';
comment on column facility.departments.head_staff_id is 'class=operational;about=Member of staff who heads it.';
comment on column facility.departments.active is 'class=operational;about=False hides it from new work.';
select core.comment_standard_columns('facility.departments');

alter table facility.departments enable row level security, force row level security;
create policy tenant_isolation on facility.departments
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger departments_touch before update on facility.departments
  for each row execute function core.update_updated_at_column('row_version');
create trigger departments_tree before insert or update of parent_department_id, clinic_id on facility.departments
  for each row execute function facility.check_department_tree();

grant select, insert, update on facility.departments to facility_app;
grant select on facility.departments to facility_ro;
