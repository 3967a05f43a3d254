-- compliance.data_principal_requests: what a person asks for about their data, each with the clock that the law sets. The clock
-- runs from receipt and does not stop while the request waits.

create table compliance.data_principal_requests (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  request_number text not null,
  patient_id uuid,
  requester_name text not null,
  relationship text,
  kind text not null,
  channel text not null,
  received_at timestamptz not null default now(),
  identity_verified_at timestamptz,
  due_at timestamptz not null,
  details_enc bytea not null,
  decision text,
  refusal_basis text,
  completed_at timestamptz,
  response_document_id uuid,
  handled_by uuid,
  escalated_to_board boolean not null default false,
  status text not null default 'received',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint data_principal_requests_pkey primary key (tenant_id, id),
  constraint data_principal_requests_number_key unique (tenant_id, request_number),
  constraint data_principal_requests_kind_check check (
    kind in (
      'access', 'correction', 'erasure', 'portability', 'nomination', 'grievance', 'record_copy', 'disclosure_accounting',
      'restriction'
    )
  ),
  constraint data_principal_requests_decision_check check (decision in ('granted', 'partially_granted', 'refused')),
  constraint data_principal_requests_status_check check (
    status in ('received', 'verifying', 'rejected', 'in_progress', 'completed', 'on_hold')
  ),
  constraint data_principal_requests_due_after_receipt check (due_at > received_at),
  constraint data_principal_requests_refused_on_a_basis check (decision <> 'refused' or refusal_basis is not null),
  constraint data_principal_requests_completed_for_the_person check (
    status <> 'completed' or (completed_at is not null and identity_verified_at is not null and decision is not null)
  ),
  constraint data_principal_requests_record_copy_in_72_hours check (
    kind <> 'record_copy' or due_at <= received_at + interval '72 hours'
  ),
  constraint data_principal_requests_grievance_in_90_days check (
    kind <> 'grievance' or due_at <= received_at + interval '90 days'
  )
);

alter table compliance.data_principal_requests add constraint data_principal_requests_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table compliance.data_principal_requests add constraint data_principal_requests_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table compliance.data_principal_requests add constraint data_principal_requests_response_document_fkey
  foreign key (tenant_id, response_document_id) references ehr.documents (tenant_id, id);
alter table compliance.data_principal_requests add constraint data_principal_requests_handled_by_fkey
  foreign key (tenant_id, handled_by) references auth.users (tenant_id, id);

create index data_principal_requests_open_idx on compliance.data_principal_requests (tenant_id, due_at)
  where status not in ('completed', 'rejected');
create index data_principal_requests_patient_idx on compliance.data_principal_requests (tenant_id, patient_id)
  where patient_id is not null;
create index data_principal_requests_response_document_idx
  on compliance.data_principal_requests (tenant_id, response_document_id)
  where response_document_id is not null;
create index data_principal_requests_handled_by_idx on compliance.data_principal_requests (tenant_id, handled_by)
  where handled_by is not null;

comment on table compliance.data_principal_requests is 'class=phi;scope=tenant;owner=business;fhir=Task;retention=medical_record;about=Access, correction, erasure, nomination, grievance and copies of records, each with a legal clock.';
comment on column compliance.data_principal_requests.request_number is 'class=operational;about=Number that the person is told, DPR-YY-n.';
comment on column compliance.data_principal_requests.patient_id is 'class=phi;about=Whose data it is about, once that is known.';
comment on column compliance.data_principal_requests.requester_name is 'class=pii;about=Who asks.';
comment on column compliance.data_principal_requests.relationship is 'class=pii;about=What the requester is to the patient, when somebody else asks.';
comment on column compliance.data_principal_requests.kind is 'class=operational;about=access, correction, erasure, portability, nomination, grievance, record_copy, disclosure_accounting or restriction.';
comment on column compliance.data_principal_requests.channel is 'class=operational;about=How it came: desk, portal, email, post ...';
comment on column compliance.data_principal_requests.received_at is 'class=operational;about=When it came: the clock starts.';
comment on column compliance.data_principal_requests.identity_verified_at is 'class=operational;about=When it was made sure who asks.';
comment on column compliance.data_principal_requests.due_at is 'class=operational;about=When it must be answered.';
comment on column compliance.data_principal_requests.details_enc is 'class=phi;enc=1;about=What is asked, encrypted.';
comment on column compliance.data_principal_requests.decision is 'class=operational;about=granted, partially_granted or refused.';
comment on column compliance.data_principal_requests.refusal_basis is 'class=operational;about=The law that allows to refuse.';
comment on column compliance.data_principal_requests.completed_at is 'class=operational;about=When it was answered.';
comment on column compliance.data_principal_requests.response_document_id is 'class=operational;about=The answer.';
comment on column compliance.data_principal_requests.handled_by is 'class=operational;about=The user who handles it.';
comment on column compliance.data_principal_requests.escalated_to_board is 'class=operational;about=Whether the person went to the Data Protection Board.';
comment on column compliance.data_principal_requests.status is 'class=operational;about=received, verifying, in_progress, on_hold, completed or rejected.';
select core.comment_standard_columns('compliance.data_principal_requests');

alter table compliance.data_principal_requests enable row level security, force row level security;
create policy tenant_isolation on compliance.data_principal_requests
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger data_principal_requests_no_aadhaar
  before insert or update of requester_name, refusal_basis on compliance.data_principal_requests
  for each row execute function core.reject_aadhaar_like('requester_name', 'refusal_basis');
create trigger data_principal_requests_touch before update on compliance.data_principal_requests
  for each row execute function core.update_updated_at_column('row_version');
create trigger data_principal_requests_transition before insert or update of status on compliance.data_principal_requests
  for each row execute function core.enforce_transition('compliance.data_principal_requests', 'status');
select audit.track('compliance.data_principal_requests');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('compliance.data_principal_requests', '', 'received', false, null),
  ('compliance.data_principal_requests', 'received', 'verifying', false, null),
  ('compliance.data_principal_requests', 'received', 'rejected', true, null),
  ('compliance.data_principal_requests', 'verifying', 'in_progress', false, null),
  ('compliance.data_principal_requests', 'verifying', 'rejected', true, null),
  ('compliance.data_principal_requests', 'in_progress', 'completed', false, null),
  ('compliance.data_principal_requests', 'in_progress', 'on_hold', true, null),
  ('compliance.data_principal_requests', 'on_hold', 'in_progress', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on compliance.data_principal_requests to business_app;
grant select on compliance.data_principal_requests to business_ro;
