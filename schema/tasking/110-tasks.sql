-- tasking.tasks: A unit of work for a patient or a ward, optionally to be verified in the EMR.
-- RULE to build: not (requires_verification and status='completed' and no verified emr_verification) (deferred trigger)

create table tasking.tasks (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  task_number text not null,
  patient_id uuid,
  encounter_id uuid,
  department_id uuid not null,
  shift_id uuid,
  title text not null,
  description_enc bytea,
  category text not null,
  priority tasking.task_priority not null,
  assigned_to uuid,
  assigned_by uuid not null,
  due_at timestamptz,
  started_at timestamptz,
  completed_at timestamptz,
  completed_by uuid,
  requires_verification boolean not null default false,
  source_type text,
  source_id uuid,
  carried_from_handover_id uuid,
  cancel_reason text,
  vector_clock jsonb not null default '{}',
  hlc_physical_us bigint not null,
  hlc_logical integer not null,
  hlc_node text not null,
  field_clocks jsonb not null default '{}',
  status tasking.task_status not null default 'pending',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint tasks_pkey primary key (tenant_id, id),
  constraint tasks_completed_complete check (
    status <> 'completed' or (completed_at is not null and completed_by is not null)
  ),
  constraint tasks_cancelled_complete check (status <> 'cancelled' or cancel_reason is not null)
);

alter table tasking.tasks add constraint tasks_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table tasking.tasks add constraint tasks_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table tasking.tasks add constraint tasks_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table tasking.tasks add constraint tasks_department_fkey
  foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);
alter table tasking.tasks add constraint tasks_shift_fkey
  foreign key (tenant_id, shift_id) references workforce.shifts (tenant_id, id);
alter table tasking.tasks add constraint tasks_assigned_to_fkey
  foreign key (tenant_id, assigned_to) references auth.users (tenant_id, id);
alter table tasking.tasks add constraint tasks_assigned_by_fkey
  foreign key (tenant_id, assigned_by) references auth.users (tenant_id, id);
alter table tasking.tasks add constraint tasks_completed_by_fkey
  foreign key (tenant_id, completed_by) references auth.users (tenant_id, id);
alter table tasking.tasks add constraint tasks_carried_from_handover_fkey
  foreign key (tenant_id, carried_from_handover_id) references tasking.handovers (tenant_id, id);

create unique index tasks_task_number_key on tasking.tasks (tenant_id, task_number)
  where deleted_at is null;
create index tasks_patient_idx on tasking.tasks (tenant_id, patient_id)
  where patient_id is not null;
create index tasks_encounter_idx on tasking.tasks (tenant_id, encounter_id)
  where encounter_id is not null;
create index tasks_department_idx on tasking.tasks (tenant_id, department_id);
create index tasks_shift_idx on tasking.tasks (tenant_id, shift_id)
  where shift_id is not null;
create index tasks_assigned_to_idx on tasking.tasks (tenant_id, assigned_to)
  where assigned_to is not null;
create index tasks_assigned_by_idx on tasking.tasks (tenant_id, assigned_by);
create index tasks_completed_by_idx on tasking.tasks (tenant_id, completed_by)
  where completed_by is not null;
create index tasks_carried_from_handover_idx on tasking.tasks (tenant_id, carried_from_handover_id)
  where carried_from_handover_id is not null;

comment on table tasking.tasks is 'class=phi;scope=tenant;owner=business;fhir=Task;retention=medical_record;about=A unit of work for a patient or a ward, optionally to be verified in the EMR.';
comment on column tasking.tasks.task_number is 'class=phi;about=?';
comment on column tasking.tasks.patient_id is 'class=phi;about=The patient.';
comment on column tasking.tasks.encounter_id is 'class=phi;about=The encounter that it belongs to.';
comment on column tasking.tasks.department_id is 'class=phi;about=The department.';
comment on column tasking.tasks.shift_id is 'class=phi;about=?';
comment on column tasking.tasks.title is 'class=phi;about=?';
comment on column tasking.tasks.description_enc is 'class=phi;enc=1;about=?';
comment on column tasking.tasks.category is 'class=phi;about=?';
comment on column tasking.tasks.priority is 'class=phi;about=?';
comment on column tasking.tasks.assigned_to is 'class=phi;about=?';
comment on column tasking.tasks.assigned_by is 'class=phi;about=?';
comment on column tasking.tasks.due_at is 'class=phi;about=?';
comment on column tasking.tasks.started_at is 'class=phi;about=?';
comment on column tasking.tasks.completed_at is 'class=phi;about=?';
comment on column tasking.tasks.completed_by is 'class=phi;about=?';
comment on column tasking.tasks.requires_verification is 'class=phi;about=?';
comment on column tasking.tasks.source_type is 'class=phi;about=?';
comment on column tasking.tasks.source_id is 'class=phi;about=?';
comment on column tasking.tasks.carried_from_handover_id is 'class=phi;about=?';
comment on column tasking.tasks.cancel_reason is 'class=phi;about=?';
comment on column tasking.tasks.vector_clock is 'class=phi;about=Counter of each node that has written the row.';
comment on column tasking.tasks.hlc_physical_us is 'class=phi;about=Hybrid logical clock: physical part, microseconds since 1970.';
comment on column tasking.tasks.hlc_logical is 'class=phi;about=Hybrid logical clock: counter inside one microsecond.';
comment on column tasking.tasks.hlc_node is 'class=phi;about=Hybrid logical clock: the node that wrote.';
comment on column tasking.tasks.field_clocks is 'class=phi;about=Clock of each field, to merge changes made offline.';
comment on column tasking.tasks.status is 'class=phi;about=?';
select core.comment_standard_columns('tasking.tasks');

alter table tasking.tasks enable row level security;
alter table tasking.tasks force row level security;
create policy tenant_isolation on tasking.tasks
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger tasks_touch before update on tasking.tasks
  for each row execute function core.update_updated_at_column('row_version');
create trigger tasks_transition before insert or update of status on tasking.tasks
  for each row execute function core.enforce_transition('tasking.tasks', 'status');
select audit.track('tasking.tasks');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('tasking.tasks', '', 'pending', false, null),
  ('tasking.tasks', 'pending', 'in_progress', false, null),
  ('tasking.tasks', 'pending', 'completed', false, null),
  ('tasking.tasks', 'pending', 'cancelled', false, null),
  ('tasking.tasks', 'pending', 'overdue', false, null),
  ('tasking.tasks', 'in_progress', 'completed', false, null),
  ('tasking.tasks', 'in_progress', 'on_hold', false, null),
  ('tasking.tasks', 'in_progress', 'cancelled', false, null),
  ('tasking.tasks', 'in_progress', 'overdue', false, null),
  ('tasking.tasks', 'on_hold', 'in_progress', false, null),
  ('tasking.tasks', 'on_hold', 'cancelled', false, null),
  ('tasking.tasks', 'overdue', 'in_progress', false, null),
  ('tasking.tasks', 'overdue', 'completed', false, null),
  ('tasking.tasks', 'overdue', 'cancelled', false, null),
  ('tasking.tasks', 'completed', 'verified', false, null),
  ('tasking.tasks', 'completed', 'reopened', false, null),
  ('tasking.tasks', 'reopened', 'in_progress', false, null),
  ('tasking.tasks', 'reopened', 'cancelled', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on tasking.tasks to business_app;
grant select on tasking.tasks to business_ro;
