-- tasking.handovers: A handover between shifts or teams, following I-PASS, accepted by the receiver.

create table tasking.handovers (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  handover_number text not null,
  department_id uuid not null,
  from_shift_id uuid not null,
  to_shift_id uuid not null,
  from_user_id uuid not null,
  to_user_id uuid not null,
  due_at timestamptz not null,
  submitted_at timestamptz,
  accepted_at timestamptz,
  completed_at timestamptz,
  rejected_reason text,
  summary_enc bytea,
  open_task_count integer not null,
  unresolved_alert_count integer not null,
  vector_clock jsonb not null default '{}',
  hlc_physical_us bigint not null,
  hlc_logical integer not null,
  hlc_node text not null,
  field_clocks jsonb not null default '{}',
  status tasking.handover_status not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint handovers_pkey primary key (tenant_id, id),
  constraint handovers_handover_number_key unique (tenant_id, handover_number),
  constraint handovers_from_user_id_rule check (from_user_id <> to_user_id),
  constraint handovers_from_shift_id_rule check (from_shift_id <> to_shift_id),
  constraint handovers_status_rule check (status not in ('accepted', 'completed') or accepted_at is not null),
  constraint handovers_rejected_complete check (status <> 'rejected' or rejected_reason is not null)
);

alter table tasking.handovers add constraint handovers_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table tasking.handovers add constraint handovers_department_fkey
  foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);
alter table tasking.handovers add constraint handovers_from_shift_fkey
  foreign key (tenant_id, from_shift_id) references workforce.shifts (tenant_id, id);
alter table tasking.handovers add constraint handovers_to_shift_fkey
  foreign key (tenant_id, to_shift_id) references workforce.shifts (tenant_id, id);
alter table tasking.handovers add constraint handovers_from_user_fkey
  foreign key (tenant_id, from_user_id) references auth.users (tenant_id, id);
alter table tasking.handovers add constraint handovers_to_user_fkey
  foreign key (tenant_id, to_user_id) references auth.users (tenant_id, id);

create unique index handovers_from_shift_to_shift_key on tasking.handovers (tenant_id, from_shift_id, to_shift_id, from_user_id, to_user_id)
  where status in ('draft', 'submitted', 'accepted');
create index handovers_department_idx on tasking.handovers (tenant_id, department_id);
create index handovers_from_shift_idx on tasking.handovers (tenant_id, from_shift_id);
create index handovers_to_shift_idx on tasking.handovers (tenant_id, to_shift_id);
create index handovers_from_user_idx on tasking.handovers (tenant_id, from_user_id);
create index handovers_to_user_idx on tasking.handovers (tenant_id, to_user_id);

comment on table tasking.handovers is 'class=phi;scope=tenant;owner=business;fhir=Communication,Task;retention=medical_record;about=A handover between shifts or teams, following I-PASS, accepted by the receiver.';
comment on column tasking.handovers.handover_number is 'class=phi;about=?';
comment on column tasking.handovers.department_id is 'class=phi;about=The department.';
comment on column tasking.handovers.from_shift_id is 'class=phi;about=?';
comment on column tasking.handovers.to_shift_id is 'class=phi;about=?';
comment on column tasking.handovers.from_user_id is 'class=phi;about=?';
comment on column tasking.handovers.to_user_id is 'class=phi;about=?';
comment on column tasking.handovers.due_at is 'class=phi;about=?';
comment on column tasking.handovers.submitted_at is 'class=phi;about=?';
comment on column tasking.handovers.accepted_at is 'class=phi;about=?';
comment on column tasking.handovers.completed_at is 'class=phi;about=?';
comment on column tasking.handovers.rejected_reason is 'class=phi;about=?';
comment on column tasking.handovers.summary_enc is 'class=phi;enc=1;about=?';
comment on column tasking.handovers.open_task_count is 'class=phi;about=?';
comment on column tasking.handovers.unresolved_alert_count is 'class=phi;about=?';
comment on column tasking.handovers.vector_clock is 'class=phi;about=Counter of each node that has written the row.';
comment on column tasking.handovers.hlc_physical_us is 'class=phi;about=Hybrid logical clock: physical part, microseconds since 1970.';
comment on column tasking.handovers.hlc_logical is 'class=phi;about=Hybrid logical clock: counter inside one microsecond.';
comment on column tasking.handovers.hlc_node is 'class=phi;about=Hybrid logical clock: the node that wrote.';
comment on column tasking.handovers.field_clocks is 'class=phi;about=Clock of each field, to merge changes made offline.';
comment on column tasking.handovers.status is 'class=phi;about=?';
select core.comment_standard_columns('tasking.handovers');

alter table tasking.handovers enable row level security;
alter table tasking.handovers force row level security;
create policy tenant_isolation on tasking.handovers
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger handovers_touch before update on tasking.handovers
  for each row execute function core.update_updated_at_column('row_version');
create trigger handovers_transition before insert or update of status on tasking.handovers
  for each row execute function core.enforce_transition('tasking.handovers', 'status');
select audit.track('tasking.handovers');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('tasking.handovers', '', 'draft', false, null),
  ('tasking.handovers', 'draft', 'submitted', false, null),
  ('tasking.handovers', 'draft', 'cancelled', false, null),
  ('tasking.handovers', 'submitted', 'accepted', false, null),
  ('tasking.handovers', 'submitted', 'rejected', false, null),
  ('tasking.handovers', 'submitted', 'cancelled', false, null),
  ('tasking.handovers', 'rejected', 'draft', false, null),
  ('tasking.handovers', 'rejected', 'cancelled', false, null),
  ('tasking.handovers', 'accepted', 'completed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on tasking.handovers to business_app;
grant select on tasking.handovers to business_ro;
