-- tasking.emr_verifications: the check that what a task did is recorded in EPIC, CERNER or any FHIR server. One check of a
-- task runs at a time; a mismatch stays with what differed until a person decides.

create table tasking.emr_verifications (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  task_id uuid not null,
  patient_id uuid not null,
  emr_system core.emr_system not null,
  emr_connection_id uuid,
  emr_patient_id text not null,
  resource_type text not null,
  resource_ref text,
  expected jsonb not null default '{}',
  observed_hash bytea,
  discrepancy jsonb,
  attempts smallint not null default 0,
  next_attempt_at timestamptz,
  verified_at timestamptz,
  verified_by uuid,
  method text not null default 'automatic',
  vector_clock jsonb not null default '{}',
  hlc_physical_us bigint not null,
  hlc_logical integer not null,
  hlc_node text not null,
  field_clocks jsonb not null default '{}',
  status tasking.verification_status not null default 'pending',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint emr_verifications_pkey primary key (tenant_id, id),
  constraint emr_verifications_method_check check (method in ('automatic', 'manual')),
  constraint emr_verifications_verified_with_proof check (
    status <> 'verified' or (verified_at is not null and (resource_ref is not null or method = 'manual'))
  ),
  constraint emr_verifications_manual_by_somebody check (
    status <> 'verified' or method <> 'manual' or verified_by is not null
  ),
  constraint emr_verifications_mismatch_says_what check (status <> 'mismatch' or discrepancy is not null),
  constraint emr_verifications_at_most_20_attempts check (attempts between 0 and 20),
  constraint emr_verifications_in_an_emr check (emr_system <> 'INTERNAL'),
  constraint emr_verifications_expect_an_object check (jsonb_typeof(expected) = 'object'),
  constraint emr_verifications_clock_is_positive check (hlc_physical_us > 0 and hlc_logical >= 0)
);

alter table tasking.emr_verifications add constraint emr_verifications_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table tasking.emr_verifications add constraint emr_verifications_task_fkey
  foreign key (tenant_id, task_id) references tasking.tasks (tenant_id, id);
alter table tasking.emr_verifications add constraint emr_verifications_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table tasking.emr_verifications add constraint emr_verifications_emr_connection_fkey
  foreign key (tenant_id, emr_connection_id) references interop.emr_connections (tenant_id, id);
alter table tasking.emr_verifications add constraint emr_verifications_verified_by_fkey
  foreign key (tenant_id, verified_by) references auth.users (tenant_id, id);

create unique index emr_verifications_one_at_a_time on tasking.emr_verifications (tenant_id, task_id)
  where status in ('pending', 'in_progress');
create index emr_verifications_task_idx on tasking.emr_verifications (tenant_id, task_id);
create index emr_verifications_to_run_idx on tasking.emr_verifications (tenant_id, created_at)
  where status in ('pending', 'in_progress');
create index emr_verifications_to_repeat_idx on tasking.emr_verifications (tenant_id, next_attempt_at)
  where status = 'failed';
create index emr_verifications_to_decide_idx on tasking.emr_verifications (tenant_id, updated_at)
  where status in ('mismatch', 'manual_review');
create index emr_verifications_patient_idx on tasking.emr_verifications (tenant_id, patient_id);
create index emr_verifications_emr_connection_idx on tasking.emr_verifications (tenant_id, emr_connection_id)
  where emr_connection_id is not null;
create index emr_verifications_verified_by_idx on tasking.emr_verifications (tenant_id, verified_by)
  where verified_by is not null;

comment on table tasking.emr_verifications is 'class=phi;scope=tenant;owner=business;fhir=Provenance;retention=medical_record;about=The check that a task is really recorded in an EMR.';
comment on column tasking.emr_verifications.task_id is 'class=phi;about=The task.';
comment on column tasking.emr_verifications.patient_id is 'class=phi;about=The patient of the task.';
comment on column tasking.emr_verifications.emr_system is 'class=operational;about=EPIC, CERNER or GENERIC_FHIR; INTERNAL is no EMR to check against.';
comment on column tasking.emr_verifications.emr_connection_id is 'class=operational;about=The connection to look through.';
comment on column tasking.emr_verifications.emr_patient_id is 'class=phi;about=The id of the patient in the EMR.';
comment on column tasking.emr_verifications.resource_type is 'class=operational;about=FHIR resource to look for, such as MedicationAdministration.';
comment on column tasking.emr_verifications.resource_ref is 'class=phi;about=The resource that was found, Type/id.';
comment on column tasking.emr_verifications.expected is 'class=phi;about=Fields that the resource must show, with their values.';
comment on column tasking.emr_verifications.observed_hash is 'class=operational;about=SHA-256 of what the EMR showed.';
comment on column tasking.emr_verifications.discrepancy is 'class=phi;about=For each field that differs what was expected and observed; for a failed attempt, error.';
comment on column tasking.emr_verifications.attempts is 'class=operational;about=How often it was tried, at most 20.';
comment on column tasking.emr_verifications.next_attempt_at is 'class=operational;about=When a failed attempt may be repeated.';
comment on column tasking.emr_verifications.verified_at is 'class=operational;about=When it was found right.';
comment on column tasking.emr_verifications.verified_by is 'class=operational;about=The user who decided; none when the comparison did.';
comment on column tasking.emr_verifications.method is 'class=operational;about=automatic (compared by the server) or manual (a person looked).';
comment on column tasking.emr_verifications.status is 'class=operational;about=pending, in_progress, verified, mismatch, failed, manual_review, rejected or expired.';
comment on column tasking.emr_verifications.vector_clock is 'class=operational;about=For each node, how many of its writes are in the row.';
comment on column tasking.emr_verifications.hlc_physical_us is 'class=operational;about=Hybrid logical clock of the last write: microseconds since 1970.';
comment on column tasking.emr_verifications.hlc_logical is 'class=operational;about=Hybrid logical clock: counter of writes that share the microsecond.';
comment on column tasking.emr_verifications.hlc_node is 'class=operational;about=Hybrid logical clock: the node that wrote.';
comment on column tasking.emr_verifications.field_clocks is 'class=operational;about=For each field that was written: hlc (as text), node and seq (count of the node) of its last write.';
select core.comment_standard_columns('tasking.emr_verifications');

alter table tasking.emr_verifications enable row level security, force row level security;
create policy tenant_isolation on tasking.emr_verifications
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger emr_verifications_clocks before insert or update on tasking.emr_verifications
  for each row execute function tasking.keep_clocks();
create trigger emr_verifications_no_aadhaar before insert or update of emr_patient_id on tasking.emr_verifications
  for each row execute function core.reject_aadhaar_like('emr_patient_id');
create trigger emr_verifications_of_the_patient
  before insert or update of task_id, patient_id on tasking.emr_verifications
  for each row execute function tasking.check_verification_patient();
create trigger emr_verifications_touch before update on tasking.emr_verifications
  for each row execute function core.update_updated_at_column('row_version');
create trigger emr_verifications_transition before insert or update of status on tasking.emr_verifications
  for each row execute function core.enforce_transition('tasking.emr_verifications', 'status');
select audit.track('tasking.emr_verifications');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('tasking.emr_verifications', '', 'pending', false, null),
  ('tasking.emr_verifications', 'pending', 'in_progress', false, null),
  ('tasking.emr_verifications', 'pending', 'manual_review', false, null),
  ('tasking.emr_verifications', 'pending', 'expired', false, null),
  ('tasking.emr_verifications', 'in_progress', 'verified', false, null),
  ('tasking.emr_verifications', 'in_progress', 'mismatch', false, 'task.mismatch.v1'),
  ('tasking.emr_verifications', 'in_progress', 'failed', false, null),
  ('tasking.emr_verifications', 'failed', 'pending', false, null),
  ('tasking.emr_verifications', 'failed', 'manual_review', false, null),
  ('tasking.emr_verifications', 'failed', 'expired', false, null),
  ('tasking.emr_verifications', 'mismatch', 'manual_review', false, null),
  ('tasking.emr_verifications', 'mismatch', 'pending', false, null),
  ('tasking.emr_verifications', 'manual_review', 'verified', false, null),
  ('tasking.emr_verifications', 'manual_review', 'rejected', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on tasking.emr_verifications to business_app;
grant select on tasking.emr_verifications to business_ro;
