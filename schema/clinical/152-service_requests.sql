-- Orders: laboratory, imaging, procedures, referrals, consultations, diet, nursing, therapy, blood. Who carries one out
-- completes it; revoking one that is active needs a reason.

create table clinical.service_requests (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  order_number text not null,
  patient_id uuid not null,
  encounter_id uuid not null,
  category text not null,
  code_system text not null,
  code text not null,
  display text not null,
  intent text not null default 'order',
  priority text not null default 'routine',
  requester_id uuid not null,
  requested_at timestamptz not null default now(),
  occurrence_at timestamptz,
  recurrence jsonb,
  reason_code text,
  instructions text,
  target_department_id uuid,
  referral_to text,
  hold_reason text,
  revoke_reason text,
  group_id uuid,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint service_requests_pkey primary key (tenant_id, id),
  constraint service_requests_order_number_key unique (tenant_id, order_number),
  constraint service_requests_category_check check (
    category in ('laboratory', 'imaging', 'procedure', 'referral', 'consultation', 'diet', 'nursing', 'therapy', 'blood')
  ),
  constraint service_requests_intent_check check (intent in ('order', 'proposal', 'plan')),
  constraint service_requests_priority_check check (priority in ('routine', 'urgent', 'asap', 'stat')),
  constraint service_requests_status_check check (
    status in ('draft', 'active', 'cancelled', 'on_hold', 'completed', 'revoked', 'entered_in_error')
  ),
  constraint service_requests_revoked_has_reason check (status <> 'revoked' or revoke_reason is not null),
  constraint service_requests_on_hold_has_reason check (status <> 'on_hold' or hold_reason is not null)
);

alter table clinical.service_requests add constraint service_requests_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table clinical.service_requests add constraint service_requests_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table clinical.service_requests add constraint service_requests_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table clinical.service_requests add constraint service_requests_requester_fkey
  foreign key (tenant_id, requester_id) references workforce.staff (tenant_id, id);
alter table clinical.service_requests add constraint service_requests_target_department_fkey
  foreign key (tenant_id, target_department_id) references facility.departments (tenant_id, id);

create index service_requests_open_idx on clinical.service_requests (tenant_id, target_department_id, requested_at)
  where status in ('active', 'on_hold');
create index service_requests_patient_idx on clinical.service_requests (tenant_id, patient_id);
create index service_requests_encounter_idx on clinical.service_requests (tenant_id, encounter_id);
create index service_requests_requester_idx on clinical.service_requests (tenant_id, requester_id);
create index service_requests_target_department_idx on clinical.service_requests (tenant_id, target_department_id)
  where target_department_id is not null;

comment on table clinical.service_requests is 'class=phi;scope=tenant;owner=clinical;fhir=ServiceRequest;retention=medical_record;about=Orders for laboratory, imaging, procedures, referrals, diet, nursing, blood.';
comment on column clinical.service_requests.order_number is 'class=operational;about=Number that people read, series order.';
comment on column clinical.service_requests.patient_id is 'class=phi;about=The patient.';
comment on column clinical.service_requests.encounter_id is 'class=phi;about=The encounter.';
comment on column clinical.service_requests.category is 'class=phi;about=laboratory, imaging, procedure, referral, consultation, diet, nursing, therapy or blood.';
comment on column clinical.service_requests.code_system is 'class=phi;about=Code system of the code, as a URL.';
comment on column clinical.service_requests.code is 'class=phi;about=Code of what is ordered.';
comment on column clinical.service_requests.display is 'class=phi;about=What is ordered, in words.';
comment on column clinical.service_requests.intent is 'class=phi;about=order, proposal or plan.';
comment on column clinical.service_requests.priority is 'class=operational;about=routine, urgent, asap or stat.';
comment on column clinical.service_requests.requester_id is 'class=operational;about=Member of staff who orders.';
comment on column clinical.service_requests.requested_at is 'class=operational;about=When it was ordered.';
comment on column clinical.service_requests.occurrence_at is 'class=operational;about=When it should be done.';
comment on column clinical.service_requests.recurrence is 'class=phi;about=How it repeats, as FHIR Timing.';
comment on column clinical.service_requests.reason_code is 'class=phi;about=Code of the reason.';
comment on column clinical.service_requests.instructions is 'class=phi;about=Instructions to who carries it out.';
comment on column clinical.service_requests.target_department_id is 'class=operational;about=Department that carries it out.';
comment on column clinical.service_requests.referral_to is 'class=phi;about=Of a referral: who the patient is sent to.';
comment on column clinical.service_requests.hold_reason is 'class=phi;about=Why it waits.';
comment on column clinical.service_requests.revoke_reason is 'class=phi;about=Why it was revoked.';
comment on column clinical.service_requests.group_id is 'class=operational;about=Orders that were placed together.';
comment on column clinical.service_requests.status is 'class=operational;about=draft, active, on_hold, completed, revoked, cancelled or entered_in_error.';
select core.comment_standard_columns('clinical.service_requests');

alter table clinical.service_requests enable row level security, force row level security;
create policy tenant_isolation on clinical.service_requests
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger service_requests_touch before update on clinical.service_requests
  for each row execute function core.update_updated_at_column('row_version');
create trigger service_requests_transition before insert or update of status on clinical.service_requests
  for each row execute function core.enforce_transition('clinical.service_requests', 'status');
create trigger service_requests_unchanged_once_ended before update on clinical.service_requests
  for each row when (old.status in ('completed', 'revoked', 'cancelled', 'entered_in_error'))
  execute function clinical.keep_content('');
create trigger service_requests_patient_of_encounter
  before insert or update of patient_id, encounter_id on clinical.service_requests
  for each row execute function clinical.check_patient_of_encounter();
create trigger service_requests_no_aadhaar
  before insert or update of display, instructions, referral_to on clinical.service_requests
  for each row execute function core.reject_aadhaar_like('display', 'instructions', 'referral_to');
select audit.track('clinical.service_requests');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.service_requests', '', 'draft', false, null),
  ('clinical.service_requests', 'draft', 'active', false, 'order.placed.v1'),
  ('clinical.service_requests', 'draft', 'cancelled', false, null),
  ('clinical.service_requests', 'active', 'on_hold', true, null),
  ('clinical.service_requests', 'active', 'completed', false, null),
  ('clinical.service_requests', 'active', 'revoked', true, 'order.revoked.v1'),
  ('clinical.service_requests', 'on_hold', 'active', false, null),
  ('clinical.service_requests', 'on_hold', 'revoked', true, 'order.revoked.v1'),
  ('clinical.service_requests', 'completed', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- the status belongs to the operations
grant select, insert on clinical.service_requests to clinical_app;
grant update (priority, occurrence_at, recurrence, instructions, target_department_id, row_version)
  on clinical.service_requests to clinical_app;
grant select on clinical.service_requests to clinical_ro;
