-- abdm.gateway_messages: Every ABDM gateway call and callback (inbox and outbox), deduplicated by REQUEST-ID.

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
  next_attempt_at timestamptz,
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
  constraint gateway_messages_direction_request_key unique (tenant_id, direction, request_id, path),
  constraint gateway_messages_direction_check check (direction in ('out', 'in')),
  constraint gateway_messages_status_check check (
    status in ('pending', 'processing', 'sent', 'completed', 'failed', 'acknowledged')
  ),
  constraint gateway_messages_attempts_rule check (attempts <= 10),
  constraint gateway_messages_headers_rule check (
    not headers ?| array['authorization','Authorization','x-link-token','X-LINK-TOKEN']
  )
);

alter table abdm.gateway_messages add constraint gateway_messages_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table abdm.gateway_messages is 'class=phi;scope=tenant;owner=fhir;fhir=AuditEvent;retention=medical_record;about=Every ABDM gateway call and callback (inbox and outbox), deduplicated by REQUEST-ID.';
comment on column abdm.gateway_messages.direction is 'class=phi;about=?';
comment on column abdm.gateway_messages.path is 'class=phi;about=?';
comment on column abdm.gateway_messages.request_id is 'class=phi;about=?';
comment on column abdm.gateway_messages.response_to is 'class=phi;about=?';
comment on column abdm.gateway_messages.hip_id is 'class=phi;about=?';
comment on column abdm.gateway_messages.cm_id is 'class=phi;about=?';
comment on column abdm.gateway_messages.headers is 'class=phi;about=?';
comment on column abdm.gateway_messages.body_enc is 'class=phi;enc=1;about=?';
comment on column abdm.gateway_messages.http_status is 'class=phi;about=?';
comment on column abdm.gateway_messages.error_code is 'class=phi;about=?';
comment on column abdm.gateway_messages.attempts is 'class=phi;about=?';
comment on column abdm.gateway_messages.next_attempt_at is 'class=phi;about=?';
comment on column abdm.gateway_messages.processed_at is 'class=phi;about=?';
comment on column abdm.gateway_messages.subject_type is 'class=phi;about=?';
comment on column abdm.gateway_messages.subject_id is 'class=phi;about=?';
comment on column abdm.gateway_messages.status is 'class=phi;about=?';
select core.comment_standard_columns('abdm.gateway_messages');

alter table abdm.gateway_messages enable row level security;
alter table abdm.gateway_messages force row level security;
create policy tenant_isolation on abdm.gateway_messages
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger gateway_messages_touch before update on abdm.gateway_messages
  for each row execute function core.update_updated_at_column('row_version');
create trigger gateway_messages_transition before insert or update of status on abdm.gateway_messages
  for each row execute function core.enforce_transition('abdm.gateway_messages', 'status');
select audit.track('abdm.gateway_messages');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('abdm.gateway_messages', '', 'pending', false, null),
  ('abdm.gateway_messages', 'pending', 'processing', false, null),
  ('abdm.gateway_messages', 'pending', 'sent', false, null),
  ('abdm.gateway_messages', 'processing', 'completed', false, null),
  ('abdm.gateway_messages', 'processing', 'failed', false, null),
  ('abdm.gateway_messages', 'processing', 'pending', false, null),
  ('abdm.gateway_messages', 'sent', 'acknowledged', false, null),
  ('abdm.gateway_messages', 'sent', 'failed', false, null),
  ('abdm.gateway_messages', 'failed', 'pending', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on abdm.gateway_messages to fhir_app;
grant select on abdm.gateway_messages to fhir_ro;
