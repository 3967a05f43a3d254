-- insurance.nhcx_messages: every envelope of the claims exchange, in and out, kept as it was on the wire and
-- replayable.
--
-- An api_call_id comes once per direction, and the same payload once per correlation and path; failed envelopes do
-- not count, so that they can be sent or applied again.

create table insurance.nhcx_messages (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  direction text not null,
  api_path text not null,
  entity text not null,
  api_call_id uuid not null,
  request_id uuid,
  correlation_id uuid not null,
  workflow_id text,
  sender_code text not null,
  recipient_code text not null,
  hcx_status text not null,
  hcx_timestamp timestamptz not null,
  ben_abha_bidx bytea,
  jwe_enc bytea not null,
  payload_hash bytea not null,
  bundle_document_id uuid,
  http_status smallint,
  error_code text,
  error jsonb,
  subject_type text,
  subject_id uuid,
  attempts smallint not null default 0,
  next_attempt_at timestamptz,
  processed_at timestamptz,
  status text not null default 'pending',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint nhcx_messages_pkey primary key (tenant_id, id),
  constraint nhcx_messages_call_once unique (tenant_id, direction, api_call_id),
  constraint nhcx_messages_direction_known check (direction in ('out', 'in')),
  constraint nhcx_messages_status_known check (status in ('pending', 'processing', 'sent', 'completed', 'failed')),
  constraint nhcx_messages_hash_is_sha256 check (octet_length(payload_hash) = 32),
  constraint nhcx_messages_subject_known check (
    subject_type in ('insurance_claims', 'eligibility_checks', 'claim_payments')
  ),
  constraint nhcx_messages_subject_complete check ((subject_type is null) = (subject_id is null)),
  constraint nhcx_messages_between_participants check (
    sender_code ~ '^[^@[:space:]]+@hcx$' and recipient_code ~ '^[^@[:space:]]+@hcx$'
  ),
  constraint nhcx_messages_hcx_status_known check (
    hcx_status in (
      'request.initiated', 'request.queued', 'request.dispatched', 'request.retry', 'response.complete',
      'response.partial', 'response.error', 'response.redirect'
    )
  )
);

alter table insurance.nhcx_messages add constraint nhcx_messages_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table insurance.nhcx_messages add constraint nhcx_messages_bundle_document_fkey
  foreign key (tenant_id, bundle_document_id) references ehr.documents (tenant_id, id);

create unique index nhcx_messages_payload_once on insurance.nhcx_messages (tenant_id, direction, correlation_id, api_path, payload_hash)
  where status <> 'failed';
create index nhcx_messages_unfinished_idx on insurance.nhcx_messages (tenant_id, direction, created_at)
  where status in ('pending', 'processing', 'failed');
create index nhcx_messages_subject_idx on insurance.nhcx_messages (tenant_id, subject_id)
  where subject_id is not null;
create index nhcx_messages_bundle_document_idx on insurance.nhcx_messages (tenant_id, bundle_document_id)
  where bundle_document_id is not null;

comment on table insurance.nhcx_messages is 'class=phi;scope=tenant;owner=billing;fhir=MessageHeader,Bundle;retention=medical_record;about=Every NHCX envelope in and out, kept verbatim and replayable.';
comment on column insurance.nhcx_messages.direction is 'class=operational;about=out or in.';
comment on column insurance.nhcx_messages.api_path is 'class=operational;about=Path of the exchange, such as /preauth/submit or /claim/on_submit.';
comment on column insurance.nhcx_messages.entity is 'class=operational;about=coverageeligibility, preauth, claim, communication, paymentnotice, task or insuranceplan.';
comment on column insurance.nhcx_messages.api_call_id is 'class=operational;about=x-hcx-api_call_id: unique per direction.';
comment on column insurance.nhcx_messages.request_id is 'class=operational;about=x-hcx-request_id.';
comment on column insurance.nhcx_messages.correlation_id is 'class=operational;about=x-hcx-correlation_id: joins request and answer.';
comment on column insurance.nhcx_messages.workflow_id is 'class=operational;about=x-hcx-workflow_id.';
comment on column insurance.nhcx_messages.sender_code is 'class=operational;about=Participant that sent it, ends with @hcx.';
comment on column insurance.nhcx_messages.recipient_code is 'class=operational;about=Participant that it is for, ends with @hcx.';
comment on column insurance.nhcx_messages.hcx_status is 'class=operational;about=x-hcx-status: request.initiated, queued, dispatched or retry; response.complete, partial, error or redirect.';
comment on column insurance.nhcx_messages.hcx_timestamp is 'class=operational;about=x-hcx-timestamp.';
comment on column insurance.nhcx_messages.ben_abha_bidx is 'class=pii;about=Blind index of the beneficiary''s ABHA number; the number itself is in the envelope only.';
comment on column insurance.nhcx_messages.jwe_enc is 'class=phi;enc=1;about=The envelope as it was on the wire: a JWE, encrypted for its recipient.';
comment on column insurance.nhcx_messages.payload_hash is 'class=operational;about=SHA-256 of the decrypted payload, or of the envelope where it could not be decrypted.';
comment on column insurance.nhcx_messages.bundle_document_id is 'class=operational;about=The decrypted FHIR bundle as a document.';
comment on column insurance.nhcx_messages.http_status is 'class=operational;about=What the exchange answered to our call.';
comment on column insurance.nhcx_messages.error_code is 'class=operational;about=Why it failed: code of the exchange, or our IM code.';
comment on column insurance.nhcx_messages.error is 'class=operational;about=The exchange''s error object.';
comment on column insurance.nhcx_messages.subject_type is 'class=operational;about=Table that it is about: insurance_claims, eligibility_checks or claim_payments.';
comment on column insurance.nhcx_messages.subject_id is 'class=operational;about=Row of that table.';
comment on column insurance.nhcx_messages.attempts is 'class=operational;about=How often it was tried.';
comment on column insurance.nhcx_messages.next_attempt_at is 'class=operational;about=When it may be tried again.';
comment on column insurance.nhcx_messages.processed_at is 'class=operational;about=When it was applied.';
comment on column insurance.nhcx_messages.status is 'class=operational;about=pending, processing, sent, completed or failed (may be tried again).';
select core.comment_standard_columns('insurance.nhcx_messages');

alter table insurance.nhcx_messages enable row level security, force row level security;
create policy tenant_isolation on insurance.nhcx_messages
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger nhcx_messages_touch before update on insurance.nhcx_messages
  for each row execute function core.update_updated_at_column('row_version');
create trigger nhcx_messages_transition before insert or update of status on insurance.nhcx_messages
  for each row execute function core.enforce_transition('insurance.nhcx_messages', 'status');
select audit.track('insurance.nhcx_messages');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.nhcx_messages', '', 'pending', false, null),
  ('insurance.nhcx_messages', 'pending', 'processing', false, null),
  ('insurance.nhcx_messages', 'pending', 'sent', false, null),
  ('insurance.nhcx_messages', 'pending', 'failed', false, null),
  ('insurance.nhcx_messages', 'processing', 'completed', false, null),
  ('insurance.nhcx_messages', 'processing', 'failed', false, null),
  ('insurance.nhcx_messages', 'processing', 'pending', false, null),
  ('insurance.nhcx_messages', 'sent', 'completed', false, null),
  ('insurance.nhcx_messages', 'sent', 'failed', false, null),
  ('insurance.nhcx_messages', 'failed', 'pending', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- written by operations only
grant select on insurance.nhcx_messages to billing_app, billing_ro;
