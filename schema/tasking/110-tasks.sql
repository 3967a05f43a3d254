-- tasking.tasks: a unit of work for a patient or a ward. A task that requires verification is done only when the EMR was
-- found to say so: until then it stays open, and at commit tasks_verified_when_done asks for the proof.

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
  priority tasking.task_priority not null default 'medium',
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
  constraint tasks_title_not_empty check (btrim(title) <> ''),
  constraint tasks_category_form check (category ~ '^[a-z][a-z_]{1,39}$'),
  constraint tasks_done_by_somebody check (
    status not in ('completed', 'verified') or (completed_at is not null and completed_by is not null)
  ),
  constraint tasks_cancelled_with_reason check (status <> 'cancelled' or cancel_reason is not null),
  constraint tasks_encounter_names_patient check (encounter_id is null or patient_id is not null),
  constraint tasks_verified_in_a_record check (not requires_verification or patient_id is not null),
  constraint tasks_source_is_whole check ((source_type is null) = (source_id is null)),
  constraint tasks_clock_is_positive check (hlc_physical_us > 0 and hlc_logical >= 0)
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

create unique index tasks_number_key on tasking.tasks (tenant_id, task_number) where deleted_at is null;
create index tasks_patient_idx on tasking.tasks (tenant_id, patient_id)
  where patient_id is not null;
create index tasks_encounter_idx on tasking.tasks (tenant_id, encounter_id)
  where encounter_id is not null;
create index tasks_department_idx on tasking.tasks (tenant_id, department_id);
create index tasks_open_of_patient_idx on tasking.tasks (tenant_id, patient_id, due_at)
  where status in ('pending', 'in_progress', 'on_hold', 'overdue', 'reopened') and deleted_at is null;
create index tasks_open_of_shift_idx on tasking.tasks (tenant_id, shift_id, id)
  where status in ('pending', 'in_progress', 'on_hold', 'overdue', 'reopened') and deleted_at is null;
create index tasks_open_of_user_idx on tasking.tasks (tenant_id, assigned_to, due_at)
  where status in ('pending', 'in_progress', 'on_hold', 'overdue', 'reopened') and deleted_at is null;
create index tasks_to_mark_overdue_idx on tasking.tasks (tenant_id, due_at)
  where status in ('pending', 'in_progress') and deleted_at is null;
create index tasks_shift_idx on tasking.tasks (tenant_id, shift_id)
  where shift_id is not null;
create index tasks_assigned_to_idx on tasking.tasks (tenant_id, assigned_to)
  where assigned_to is not null;
create index tasks_assigned_by_idx on tasking.tasks (tenant_id, assigned_by);
create index tasks_completed_by_idx on tasking.tasks (tenant_id, completed_by)
  where completed_by is not null;
create index tasks_carried_from_handover_idx on tasking.tasks (tenant_id, carried_from_handover_id)
  where carried_from_handover_id is not null;

comment on table tasking.tasks is 'class=phi;scope=tenant;owner=business;fhir=Task;retention=medical_record;about=A unit of work for a patient or a ward, where asked for verified in the EMR.';
comment on column tasking.tasks.task_number is 'class=operational;about=Number that people say, TASK-YY-n.';
comment on column tasking.tasks.patient_id is 'class=phi;about=The patient; none for a task of the ward.';
comment on column tasking.tasks.encounter_id is 'class=phi;about=The visit or stay that it belongs to.';
comment on column tasking.tasks.department_id is 'class=operational;about=The department whose work it is.';
comment on column tasking.tasks.shift_id is 'class=operational;about=The shift that answers for it; an accepted handover moves it to the next one; none once it is reopened after that shift.';
comment on column tasking.tasks.title is 'class=phi;about=What is to be done, in a line.';
comment on column tasking.tasks.description_enc is 'class=phi;enc=1;about=Details, encrypted.';
comment on column tasking.tasks.category is 'class=operational;about=Kind of work, a word of the hospital: medication, wound_care, call, transport, supplies ...';
comment on column tasking.tasks.priority is 'class=operational;about=low, medium, high or critical.';
comment on column tasking.tasks.assigned_to is 'class=operational;about=The user who does it; nobody yet while empty.';
comment on column tasking.tasks.assigned_by is 'class=operational;about=The user who asked for it.';
comment on column tasking.tasks.due_at is 'class=operational;about=When it should be done; a job marks it overdue after that.';
comment on column tasking.tasks.started_at is 'class=operational;about=When somebody began.';
comment on column tasking.tasks.completed_at is 'class=operational;about=When it was done.';
comment on column tasking.tasks.completed_by is 'class=operational;about=The user who did it.';
comment on column tasking.tasks.requires_verification is 'class=operational;about=Whether it is done only when the EMR shows it.';
comment on column tasking.tasks.source_type is 'class=operational;about=What it came from, schema.table, such as clinical.service_requests.';
comment on column tasking.tasks.source_id is 'class=operational;about=The row that it came from.';
comment on column tasking.tasks.carried_from_handover_id is 'class=operational;about=The handover that brought it to its shift.';
comment on column tasking.tasks.cancel_reason is 'class=operational;about=Why it was cancelled.';
comment on column tasking.tasks.status is 'class=operational;about=pending, in_progress, on_hold, overdue, reopened (open), completed, verified, cancelled.';
comment on column tasking.tasks.vector_clock is 'class=operational;about=For each node, how many of its writes are in the row.';
comment on column tasking.tasks.hlc_physical_us is 'class=operational;about=Hybrid logical clock of the last write: microseconds since 1970.';
comment on column tasking.tasks.hlc_logical is 'class=operational;about=Hybrid logical clock: counter of writes that share the microsecond.';
comment on column tasking.tasks.hlc_node is 'class=operational;about=Hybrid logical clock: the node that wrote.';
comment on column tasking.tasks.field_clocks is 'class=operational;about=For each field that was written: hlc (as text), node and seq (count of the node) of its last write.';
select core.comment_standard_columns('tasking.tasks');

alter table tasking.tasks enable row level security, force row level security;
create policy tenant_isolation on tasking.tasks
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger tasks_clocks before insert or update on tasking.tasks
  for each row execute function tasking.keep_clocks();
create trigger tasks_no_aadhaar before insert or update of title, cancel_reason on tasking.tasks
  for each row execute function core.reject_aadhaar_like('title', 'cancel_reason');
create trigger tasks_shift_is_open before insert or update of shift_id on tasking.tasks
  for each row when (new.shift_id is not null) execute function tasking.check_shift_takes_tasks();
create trigger tasks_leave_closed_shift before update of status on tasking.tasks
  for each row when (new.status = 'reopened' and old.status <> 'reopened' and new.shift_id is not null)
  execute function tasking.leave_closed_shift();
create trigger tasks_touch before update on tasking.tasks
  for each row execute function core.update_updated_at_column('row_version');
create trigger tasks_transition before insert or update of status on tasking.tasks
  for each row execute function core.enforce_transition('tasking.tasks', 'status');
create constraint trigger tasks_verified_when_done
  after insert or update of status, requires_verification on tasking.tasks
  deferrable initially deferred
  for each row when (new.requires_verification and new.status in ('completed', 'verified'))
  execute function tasking.check_task_verified();
select audit.track('tasking.tasks');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('tasking.tasks', '', 'pending', false, null),
  ('tasking.tasks', 'pending', 'in_progress', false, null),
  ('tasking.tasks', 'pending', 'completed', false, 'task.completed.v1'),
  ('tasking.tasks', 'pending', 'cancelled', true, null),
  ('tasking.tasks', 'pending', 'overdue', false, null),
  ('tasking.tasks', 'in_progress', 'completed', false, 'task.completed.v1'),
  ('tasking.tasks', 'in_progress', 'on_hold', true, null),
  ('tasking.tasks', 'in_progress', 'cancelled', true, null),
  ('tasking.tasks', 'in_progress', 'overdue', false, null),
  ('tasking.tasks', 'on_hold', 'in_progress', false, null),
  ('tasking.tasks', 'on_hold', 'cancelled', true, null),
  ('tasking.tasks', 'overdue', 'in_progress', false, null),
  ('tasking.tasks', 'overdue', 'completed', false, 'task.completed.v1'),
  ('tasking.tasks', 'overdue', 'cancelled', true, null),
  ('tasking.tasks', 'completed', 'verified', false, 'task.verified.v1'),
  ('tasking.tasks', 'completed', 'reopened', true, null),
  ('tasking.tasks', 'reopened', 'in_progress', false, null),
  ('tasking.tasks', 'reopened', 'cancelled', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- what a person corrects; everything else moves by operations
grant select, update (title, description_enc, category, priority, due_at) on tasking.tasks to business_app;
grant select on tasking.tasks to business_ro;
