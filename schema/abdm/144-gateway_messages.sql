-- abdm.gateway_messages: every call to the ABDM gateway and every callback from it. A callback that comes twice is one row
-- (REQUEST-ID and path), it is worked on under a lease, and one that failed ten times waits for a person to replay it.
-- Bodies are encrypted; headers are kept without tokens.

create table abdm.gateway_messages (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  direction text not null,
  path text not null,
  request_id uuid not null,
  response_to uuid,
  hip_id text,
  cm_id text,
  headers jsonb not null default '{}',
  body_enc bytea not null,
  http_status smallint,
  error_code text,
  attempts smallint not null default 0,
  next_attempt_at timestamptz not null default now(),
  locked_until timestamptz,
  lock_token uuid,
  processed_at timestamptz,
  subject_type text,
  subject_id uuid,
  status text not null default 'pending',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint gateway_messages_pkey primary key (tenant_id, id),
  constraint gateway_messages_request_key unique (tenant_id, direction, request_id, path),
  constraint gateway_messages_direction_known check (direction in ('out', 'in')),
  constraint gateway_messages_status_known check (
    status in ('pending', 'processing', 'sent', 'completed', 'failed', 'acknowledged')
  ),
  constraint gateway_messages_path_is_absolute check (path ~ '^/[^ ]*$'),
  constraint gateway_messages_at_most_10_attempts check (attempts between 0 and 10),
  constraint gateway_messages_http_status_range check (http_status between 100 and 599),
  constraint gateway_messages_headers_without_tokens check (
    headers::text !~* '"(authorization|cookie|x-token|x-auth-token|x-link-token|t-token)" *:'
  ),
  constraint gateway_messages_lease_whole check (
    (status = 'processing') = (locked_until is not null) and (locked_until is null) = (lock_token is null)
  ),
  constraint gateway_messages_sent_is_outgoing check (status not in ('sent', 'acknowledged') or direction = 'out'),
  constraint gateway_messages_subject_whole check ((subject_type is null) = (subject_id is null))
);

alter table abdm.gateway_messages add constraint gateway_messages_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

create index gateway_messages_due_idx on abdm.gateway_messages (tenant_id, next_attempt_at)
  where status = 'pending';
create index gateway_messages_leased_idx on abdm.gateway_messages (tenant_id, locked_until)
  where status = 'processing';
create index gateway_messages_failed_idx on abdm.gateway_messages (tenant_id, created_at)
  where status = 'failed';
create index gateway_messages_request_idx on abdm.gateway_messages (tenant_id, request_id);

comment on table abdm.gateway_messages is 'class=phi;scope=tenant;owner=fhir;fhir=AuditEvent;retention=medical_record;about=Every ABDM gateway call and callback, deduplicated by REQUEST-ID.';
comment on column abdm.gateway_messages.direction is 'class=operational;about=out (our call) or in (callback).';
comment on column abdm.gateway_messages.path is 'class=operational;about=Path of the API, such as /v3/consent/request/hiu/notify.';
comment on column abdm.gateway_messages.request_id is 'class=operational;about=REQUEST-ID of the message.';
comment on column abdm.gateway_messages.response_to is 'class=operational;about=REQUEST-ID of our call that a callback answers.';
comment on column abdm.gateway_messages.hip_id is 'class=operational;about=Header X-HIP-ID or X-HIU-ID.';
comment on column abdm.gateway_messages.cm_id is 'class=operational;about=Header X-CM-ID.';
comment on column abdm.gateway_messages.headers is 'class=operational;about=The other headers, without tokens.';
comment on column abdm.gateway_messages.body_enc is 'class=phi;enc=1;about=The body, encrypted.';
comment on column abdm.gateway_messages.http_status is 'class=operational;about=What the gateway answered to our call.';
comment on column abdm.gateway_messages.error_code is 'class=operational;about=Code of the last failure.';
comment on column abdm.gateway_messages.attempts is 'class=operational;about=How often it was worked on, at most ten times before a person looks.';
comment on column abdm.gateway_messages.next_attempt_at is 'class=operational;about=Not worked on before.';
comment on column abdm.gateway_messages.locked_until is 'class=operational;about=End of the lease of the worker that has it.';
comment on column abdm.gateway_messages.lock_token is 'class=operational;about=Proof of that lease.';
comment on column abdm.gateway_messages.processed_at is 'class=operational;about=When it was completed, sent or given up.';
comment on column abdm.gateway_messages.subject_type is 'class=operational;about=Table of the row that it was about, as schema.table.';
comment on column abdm.gateway_messages.subject_id is 'class=operational;about=That row.';
comment on column abdm.gateway_messages.status is 'class=operational;about=pending, processing, completed, failed; our calls go from processing to sent and acknowledged.';
select core.comment_standard_columns('abdm.gateway_messages');

alter table abdm.gateway_messages enable row level security, force row level security;
create policy tenant_isolation on abdm.gateway_messages
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger gateway_messages_touch before update on abdm.gateway_messages
  for each row execute function core.update_updated_at_column('row_version');
create trigger gateway_messages_transition before insert or update of status on abdm.gateway_messages
  for each row execute function core.enforce_transition('abdm.gateway_messages', 'status');
select audit.track('abdm.gateway_messages');

insert into core.transition_rules (machine, from_state, to_state, guard, requires_reason, emits_event) values
  ('abdm.gateway_messages', '', 'pending', null, false, null),
  ('abdm.gateway_messages', 'pending', 'processing', null, false, null),
  ('abdm.gateway_messages', 'processing', 'completed', null, false, null),
  ('abdm.gateway_messages', 'processing', 'sent', 'outgoing only', false, null),
  ('abdm.gateway_messages', 'processing', 'failed', null, false, null),
  ('abdm.gateway_messages', 'processing', 'pending', null, false, null),
  ('abdm.gateway_messages', 'sent', 'acknowledged', null, false, null),
  ('abdm.gateway_messages', 'sent', 'failed', null, false, null),
  ('abdm.gateway_messages', 'failed', 'pending', null, false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on abdm.gateway_messages to fhir_app;
grant select on abdm.gateway_messages to fhir_ro;
