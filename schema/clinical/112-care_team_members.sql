-- Who treats this patient, in which role, from when to when: the basis of access by treatment relationship.

create table clinical.care_team_members (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  encounter_id uuid not null,
  staff_id uuid not null,
  role text not null,
  period tstzrange not null default tstzrange(now(), null),
  added_by uuid default core.current_user_id(),
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint care_team_members_pkey primary key (tenant_id, id),
  constraint care_team_members_once_at_a_time exclude using gist (
    tenant_id with =, encounter_id with =, staff_id with =, role with =, period with &&
  ),
  constraint care_team_members_period_has_start check (lower(period) is not null and not isempty(period)),
  constraint care_team_members_role_check check (
    role in ('attending', 'consultant', 'resident', 'nurse', 'anaesthetist', 'therapist', 'dietician', 'social_worker')
  )
);

alter table clinical.care_team_members add constraint care_team_members_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table clinical.care_team_members add constraint care_team_members_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table clinical.care_team_members add constraint care_team_members_staff_fkey
  foreign key (tenant_id, staff_id) references workforce.staff (tenant_id, id);

create index care_team_members_encounter_idx on clinical.care_team_members (tenant_id, encounter_id);
create index care_team_members_staff_idx on clinical.care_team_members (tenant_id, staff_id);
create index care_team_members_current_idx on clinical.care_team_members (tenant_id, staff_id) where upper_inf(period);

comment on table clinical.care_team_members is 'class=phi;scope=tenant;owner=clinical;fhir=CareTeam;retention=medical_record;about=Who treats this patient now; the basis of treatment-relationship access.';
comment on column clinical.care_team_members.encounter_id is 'class=phi;about=The encounter.';
comment on column clinical.care_team_members.staff_id is 'class=operational;about=Member of staff.';
comment on column clinical.care_team_members.role is 'class=operational;about=attending, consultant, resident, nurse, anaesthetist, therapist, dietician or social_worker.';
comment on column clinical.care_team_members.period is 'class=operational;about=From when to when; open while they treat the patient.';
comment on column clinical.care_team_members.added_by is 'class=operational;about=User who added them.';
select core.comment_standard_columns('clinical.care_team_members');

alter table clinical.care_team_members enable row level security, force row level security;
create policy tenant_isolation on clinical.care_team_members
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger care_team_members_touch before update on clinical.care_team_members
  for each row execute function core.update_updated_at_column('row_version');
select audit.track('clinical.care_team_members');

grant select on clinical.care_team_members to clinical_app;
grant select on clinical.care_team_members to clinical_ro;
