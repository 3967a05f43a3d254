-- tasking.handovers: a shift gives its patients and tasks to the next one, in the form of I-PASS. The giver submits, the
-- receiver reads every patient back and accepts: with that the open tasks are theirs.

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
  open_task_count integer not null default 0,
  unresolved_alert_count integer not null default 0,
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
  constraint handovers_number_key unique (tenant_id, handover_number),
  constraint handovers_between_two_people check (from_user_id <> to_user_id),
  constraint handovers_between_two_shifts check (from_shift_id <> to_shift_id),
  constraint handovers_accepted_at_a_time check (status not in ('accepted', 'completed') or accepted_at is not null),
  constraint handovers_accepted_after_submission check (accepted_at >= submitted_at),
  constraint handovers_rejected_with_reason check (status <> 'rejected' or rejected_reason is not null),
  constraint handovers_counts_not_negative check (open_task_count >= 0 and unresolved_alert_count >= 0),
  constraint handovers_clock_is_positive check (hlc_physical_us > 0 and hlc_logical >= 0)
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

create unique index handovers_one_live_between_two on tasking.handovers (
  tenant_id, from_shift_id, to_shift_id, from_user_id, to_user_id
)
  where status in ('draft', 'submitted', 'accepted');
create index handovers_department_idx on tasking.handovers (tenant_id, department_id);
create index handovers_from_shift_idx on tasking.handovers (tenant_id, from_shift_id);
create index handovers_to_shift_idx on tasking.handovers (tenant_id, to_shift_id);
create index handovers_from_user_idx on tasking.handovers (tenant_id, from_user_id);
create index handovers_to_accept_idx on tasking.handovers (tenant_id, to_user_id, due_at) where status = 'submitted';
create index handovers_to_user_idx on tasking.handovers (tenant_id, to_user_id);

comment on table tasking.handovers is 'class=phi;scope=tenant;owner=business;fhir=Communication,Task;retention=medical_record;about=A handover between shifts in the form of I-PASS, accepted by the receiver.';
comment on column tasking.handovers.handover_number is 'class=operational;about=Number that people say, HO-YY-n.';
comment on column tasking.handovers.department_id is 'class=operational;about=The department that hands over.';
comment on column tasking.handovers.from_shift_id is 'class=operational;about=The shift that gives.';
comment on column tasking.handovers.to_shift_id is 'class=operational;about=The shift that receives.';
comment on column tasking.handovers.from_user_id is 'class=operational;about=The user who gives.';
comment on column tasking.handovers.to_user_id is 'class=operational;about=The user who receives: nobody else may read back or accept.';
comment on column tasking.handovers.due_at is 'class=operational;about=When it should be accepted.';
comment on column tasking.handovers.submitted_at is 'class=operational;about=When the giver submitted it.';
comment on column tasking.handovers.accepted_at is 'class=operational;about=When the receiver accepted it.';
comment on column tasking.handovers.completed_at is 'class=operational;about=When it was closed.';
comment on column tasking.handovers.rejected_reason is 'class=operational;about=What the receiver misses.';
comment on column tasking.handovers.summary_enc is 'class=phi;enc=1;about=State of the ward, encrypted.';
comment on column tasking.handovers.open_task_count is 'class=operational;about=Open tasks at submission, then those that moved.';
comment on column tasking.handovers.unresolved_alert_count is 'class=operational;about=Alerts of decision support about the patients that nobody had answered at submission.';
comment on column tasking.handovers.status is 'class=operational;about=draft, submitted, accepted, completed, rejected or cancelled.';
comment on column tasking.handovers.vector_clock is 'class=operational;about=For each node, how many of its writes are in the row.';
comment on column tasking.handovers.hlc_physical_us is 'class=operational;about=Hybrid logical clock of the last write: microseconds since 1970.';
comment on column tasking.handovers.hlc_logical is 'class=operational;about=Hybrid logical clock: counter of writes that share the microsecond.';
comment on column tasking.handovers.hlc_node is 'class=operational;about=Hybrid logical clock: the node that wrote.';
comment on column tasking.handovers.field_clocks is 'class=operational;about=For each field that was written: hlc (as text), node and seq (count of the node) of its last write.';
select core.comment_standard_columns('tasking.handovers');

alter table tasking.handovers enable row level security, force row level security;
create policy tenant_isolation on tasking.handovers
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger handovers_clocks before insert or update on tasking.handovers
  for each row execute function tasking.keep_clocks();
create trigger handovers_no_aadhaar before insert or update of rejected_reason on tasking.handovers
  for each row execute function core.reject_aadhaar_like('rejected_reason');
create trigger handovers_touch before update on tasking.handovers
  for each row execute function core.update_updated_at_column('row_version');
create trigger handovers_transition before insert or update of status on tasking.handovers
  for each row execute function core.enforce_transition('tasking.handovers', 'status');
create constraint trigger handovers_read_back_when_accepted after insert or update of status on tasking.handovers
  deferrable initially deferred
  for each row when (new.status in ('accepted', 'completed')) execute function tasking.check_read_backs();
select audit.track('tasking.handovers');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('tasking.handovers', '', 'draft', false, null),
  ('tasking.handovers', 'draft', 'submitted', false, 'handover.submitted.v1'),
  ('tasking.handovers', 'draft', 'cancelled', true, null),
  ('tasking.handovers', 'submitted', 'accepted', false, 'handover.accepted.v1'),
  ('tasking.handovers', 'submitted', 'rejected', true, null),
  ('tasking.handovers', 'submitted', 'cancelled', true, null),
  ('tasking.handovers', 'rejected', 'draft', false, null),
  ('tasking.handovers', 'rejected', 'cancelled', true, null),
  ('tasking.handovers', 'accepted', 'completed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on tasking.handovers to business_app;
grant select on tasking.handovers to business_ro;
