-- interop.hl7_messages: HL7 v2 messages in and out with parsed header, ACK and errors.
-- RULE to build: same control_id with another hash => IM801 (uniqueness over time through core.idempotency_keys, operation 'hl7:<endpoint>')

create table interop.hl7_messages (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  endpoint_id uuid not null,
  direction text not null,
  control_id text not null,
  message_type text not null,
  trigger_event text not null,
  version_id text not null,
  processing_id text not null,
  message_at timestamptz not null,
  received_at timestamptz not null,
  raw_enc bytea not null,
  raw_hash bytea not null,
  parsed_enc bytea,
  patient_id uuid,
  subject_type text,
  subject_id uuid,
  ack_code text,
  ack_at timestamptz,
  ack_text text,
  error_segments jsonb,
  attempts smallint not null default 0,
  next_attempt_at timestamptz,
  replay_of_id uuid,
  status text not null default 'received',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint hl7_messages_pkey primary key (tenant_id, id, received_at),
  constraint hl7_messages_endpoint_direction_key unique (tenant_id, endpoint_id, direction, control_id, received_at),
  constraint hl7_messages_direction_check check (direction in ('in', 'out')),
  constraint hl7_messages_processing_id_length check (length(processing_id) = 1),
  constraint hl7_messages_ack_code_check check (ack_code in ('AA', 'AE', 'AR', 'CA', 'CE', 'CR')),
  constraint hl7_messages_status_check check (
    status in ('received', 'parsed', 'rejected', 'queued', 'applied', 'failed', 'ignored', 'dead', 'sent', 'acked')
  ),
  constraint hl7_messages_message_type_rule check (message_type ~ '^[A-Z0-9]{3}$'),
  constraint hl7_messages_trigger_event_rule check (trigger_event ~ '^[A-Z][0-9]{2}$'),
  constraint hl7_messages_processing_id_rule check (processing_id in ('P', 'T', 'D'))
) partition by range (received_at);

create table interop.hl7_messages_default partition of interop.hl7_messages default;

alter table interop.hl7_messages add constraint hl7_messages_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table interop.hl7_messages add constraint hl7_messages_endpoint_fkey
  foreign key (tenant_id, endpoint_id) references interop.endpoints (tenant_id, id);
alter table interop.hl7_messages add constraint hl7_messages_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);

create index hl7_messages_patient_idx on interop.hl7_messages (tenant_id, patient_id)
  where patient_id is not null;

comment on table interop.hl7_messages is 'class=phi;scope=tenant;owner=interop;fhir=MessageHeader,Bundle;retention=medical_record;partition=month;about=HL7 v2 messages in and out with parsed header, ACK and errors.';
comment on column interop.hl7_messages.endpoint_id is 'class=phi;about=?';
comment on column interop.hl7_messages.direction is 'class=phi;about=?';
comment on column interop.hl7_messages.control_id is 'class=phi;about=?';
comment on column interop.hl7_messages.message_type is 'class=phi;about=?';
comment on column interop.hl7_messages.trigger_event is 'class=phi;about=?';
comment on column interop.hl7_messages.version_id is 'class=phi;about=?';
comment on column interop.hl7_messages.processing_id is 'class=phi;about=?';
comment on column interop.hl7_messages.message_at is 'class=phi;about=?';
comment on column interop.hl7_messages.received_at is 'class=phi;about=?';
comment on column interop.hl7_messages.raw_enc is 'class=phi;enc=1;about=?';
comment on column interop.hl7_messages.raw_hash is 'class=phi;about=?';
comment on column interop.hl7_messages.parsed_enc is 'class=phi;enc=1;about=?';
comment on column interop.hl7_messages.patient_id is 'class=phi;about=The patient.';
comment on column interop.hl7_messages.subject_type is 'class=phi;about=?';
comment on column interop.hl7_messages.subject_id is 'class=phi;about=?';
comment on column interop.hl7_messages.ack_code is 'class=phi;about=?';
comment on column interop.hl7_messages.ack_at is 'class=phi;about=?';
comment on column interop.hl7_messages.ack_text is 'class=phi;about=?';
comment on column interop.hl7_messages.error_segments is 'class=phi;about=?';
comment on column interop.hl7_messages.attempts is 'class=phi;about=?';
comment on column interop.hl7_messages.next_attempt_at is 'class=phi;about=?';
comment on column interop.hl7_messages.replay_of_id is 'class=phi;about=?';
comment on column interop.hl7_messages.status is 'class=phi;about=?';
select core.comment_standard_columns('interop.hl7_messages');

alter table interop.hl7_messages enable row level security;
alter table interop.hl7_messages force row level security;
create policy tenant_isolation on interop.hl7_messages
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
alter table interop.hl7_messages_default enable row level security;
alter table interop.hl7_messages_default force row level security;
create policy tenant_isolation on interop.hl7_messages_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger hl7_messages_touch before update on interop.hl7_messages
  for each row execute function core.update_updated_at_column('row_version');
create trigger hl7_messages_transition before insert or update of status on interop.hl7_messages
  for each row execute function core.enforce_transition('interop.hl7_messages', 'status');
select audit.track('interop.hl7_messages');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('interop.hl7_messages', '', 'received', false, null),
  ('interop.hl7_messages', 'received', 'parsed', false, null),
  ('interop.hl7_messages', 'received', 'rejected', false, null),
  ('interop.hl7_messages', 'received', 'queued', false, null),
  ('interop.hl7_messages', 'parsed', 'applied', false, null),
  ('interop.hl7_messages', 'parsed', 'failed', false, null),
  ('interop.hl7_messages', 'parsed', 'ignored', false, null),
  ('interop.hl7_messages', 'failed', 'parsed', false, null),
  ('interop.hl7_messages', 'failed', 'dead', false, null),
  ('interop.hl7_messages', 'queued', 'sent', false, null),
  ('interop.hl7_messages', 'queued', 'failed', false, null),
  ('interop.hl7_messages', 'sent', 'acked', false, null),
  ('interop.hl7_messages', 'sent', 'failed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on interop.hl7_messages to interop_app;
grant select on interop.hl7_messages to interop_ro;
