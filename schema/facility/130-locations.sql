-- Buildings, floors, wards, rooms, bays, theatres, stores, collection points: one tree a clinic, without cycles.
-- path is kept by triggers (codes from the root, '/main/2/icu'), so a whole ward is one range of an index:
-- path = '/main/2' or path ~>=~ '/main/2/' and path ~<~ '/main/20'.

create table facility.locations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  clinic_id uuid not null,
  parent_location_id uuid,
  department_id uuid,
  path text not null default '',
  kind text not null,
  code text not null,
  name text not null,
  care_class text,
  sex_policy text not null default 'any',
  isolation_capable boolean not null default false,
  active boolean not null default true,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint locations_pkey primary key (tenant_id, id),
  constraint locations_kind_check check (
    kind in (
      'building', 'floor', 'ward', 'room', 'bay', 'theatre', 'store', 'collection_point', 'counter', 'cold_store',
      'mortuary'
    )
  ),
  constraint locations_care_class_check check (
    care_class in (
      'general', 'semi_private', 'private', 'deluxe', 'icu', 'hdu', 'nicu', 'picu', 'isolation', 'day_care'
    )
  ),
  constraint locations_sex_policy_check check (sex_policy in ('any', 'male', 'female', 'paediatric')),
  constraint locations_care_class_of_bed_places check (care_class is null or kind in ('ward', 'room', 'bay')),
  constraint locations_code_format check (code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,29}$')
);

alter table facility.locations add constraint locations_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table facility.locations add constraint locations_clinic_fkey
  foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
alter table facility.locations add constraint locations_parent_location_fkey
  foreign key (tenant_id, parent_location_id) references facility.locations (tenant_id, id);
alter table facility.locations add constraint locations_department_fkey
  foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);

create unique index locations_code_key on facility.locations (tenant_id, clinic_id, code) where deleted_at is null;
create unique index locations_path_key on facility.locations (tenant_id, clinic_id, path text_pattern_ops)
  where deleted_at is null;
create index locations_clinic_idx on facility.locations (tenant_id, clinic_id);
create index locations_parent_location_idx on facility.locations (tenant_id, parent_location_id)
  where parent_location_id is not null;
create index locations_department_idx on facility.locations (tenant_id, department_id)
  where department_id is not null;

comment on table facility.locations is 'class=operational;scope=tenant;owner=facility;fhir=Location;retention=operational;about=Buildings, floors, wards, rooms, bays, theatres, stores, collection points.';
comment on column facility.locations.clinic_id is 'class=operational;about=The clinic it is in.';
comment on column facility.locations.parent_location_id is 'class=operational;about=The place that contains it, in the same clinic.';
comment on column facility.locations.department_id is 'class=operational;about=The department that runs it.';
comment on column facility.locations.path is 'class=operational;about=Codes from the root in lower case, such as /main/2/icu; kept by a trigger.';
comment on column facility.locations.kind is 'class=operational;about=building, floor, ward, room, bay, theatre, store, collection_point, counter, cold_store or mortuary.';
comment on column facility.locations.code is 'class=operational;about=Short code, unique in the clinic.';
comment on column facility.locations.name is 'class=operational;about=Name on the door.';
comment on column facility.locations.care_class is 'class=operational;about=Class of care given here; only for wards, rooms and bays.';
comment on column facility.locations.sex_policy is 'class=operational;about=Who may lie here: any, male, female or paediatric.';
comment on column facility.locations.isolation_capable is 'class=operational;about=Has what isolation of a patient needs.';
comment on column facility.locations.active is 'class=operational;about=False hides it from new work.';
select core.comment_standard_columns('facility.locations');

alter table facility.locations enable row level security, force row level security;
create policy tenant_isolation on facility.locations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger locations_touch before update on facility.locations
  for each row execute function core.update_updated_at_column('row_version');
create trigger locations_path before insert or update of path, code, clinic_id, parent_location_id on facility.locations
  for each row execute function facility.set_location_path();
create trigger locations_path_below after update of path, code, clinic_id, parent_location_id on facility.locations
  for each row when (old.path is distinct from new.path) execute function facility.carry_location_path();

grant select, insert, update on facility.locations to facility_app;
grant select on facility.locations to facility_ro;
