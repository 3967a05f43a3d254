-- interop.hl7_messages: HL7 v2 messages in and out, each with its text (encrypted), its answer and what became of it.
--
-- A sender repeats a message until it is answered: the same control id with the same text is the same message, with
-- another text it is refused (IM801). The table is partitioned, so the unique key over time is the claim of
-- core.idempotency_keys (operation hl7:<direction>:<endpoint>), and the search of messages that are older than its memory.
-- Written by operations only.

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
  received_at timestamptz not null default now(),
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
  constraint hl7_messages_control_id_key unique (tenant_id, endpoint_id, direction, control_id, received_at),
  constraint hl7_messages_direction_check check (direction in ('in', 'out')),
  constraint hl7_messages_ack_code_check check (ack_code in ('AA', 'AE', 'AR', 'CA', 'CE', 'CR')),
  constraint hl7_messages_status_check check (
    status in ('received', 'parsed', 'rejected', 'queued', 'applied', 'failed', 'ignored', 'dead', 'sent', 'acked')
  ),
  constraint hl7_messages_type_format check (message_type ~ '^[A-Z0-9]{3}$'),
  constraint hl7_messages_event_format check (trigger_event ~ '^[A-Z][0-9]{2}$'),
  constraint hl7_messages_processing_id_check check (processing_id in ('P', 'T', 'D')),
  constraint hl7_messages_control_id_length check (length(control_id) between 1 and 199),
  constraint hl7_messages_hash_is_sha256 check (octet_length(raw_hash) = 32),
  constraint hl7_messages_answered_at check ((ack_code is null) = (ack_at is null)),
  constraint hl7_messages_subject_whole check ((subject_type is null) = (subject_id is null)),
  constraint hl7_messages_state_of_direction check (
    case direction
      when 'in' then status not in ('queued', 'sent', 'acked')
      else status in ('received', 'queued', 'sent', 'acked', 'failed', 'dead')
    end
  )
) partition by range (received_at);

create table interop.hl7_messages_default partition of interop.hl7_messages default;

alter table interop.hl7_messages add constraint hl7_messages_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table interop.hl7_messages add constraint hl7_messages_endpoint_fkey
  foreign key (tenant_id, endpoint_id) references interop.endpoints (tenant_id, id);
alter table interop.hl7_messages add constraint hl7_messages_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);

-- what waits for a worker, or for the next one when a worker died after it had parsed
create index hl7_messages_due_idx on interop.hl7_messages (tenant_id, direction, next_attempt_at)
  where status in ('received', 'parsed', 'queued', 'failed');
create index hl7_messages_replay_idx on interop.hl7_messages (tenant_id, replay_of_id) where replay_of_id is not null;
create index hl7_messages_patient_idx on interop.hl7_messages (tenant_id, patient_id)
  where patient_id is not null;

comment on table interop.hl7_messages is 'class=phi;scope=tenant;owner=interop;fhir=MessageHeader,Bundle;retention=medical_record;partition=month;about=HL7 v2 messages in and out with parsed header, ACK and errors.';
comment on column interop.hl7_messages.endpoint_id is 'class=operational;about=The interface.';
comment on column interop.hl7_messages.direction is 'class=operational;about=in or out.';
comment on column interop.hl7_messages.control_id is 'class=operational;about=MSH-10, unique for the sender.';
comment on column interop.hl7_messages.message_type is 'class=operational;about=MSH-9.1, such as ADT.';
comment on column interop.hl7_messages.trigger_event is 'class=operational;about=MSH-9.2, such as A01.';
comment on column interop.hl7_messages.version_id is 'class=operational;about=MSH-12, such as 2.5.1.';
comment on column interop.hl7_messages.processing_id is 'class=operational;about=MSH-11: P production, T training, D debugging.';
comment on column interop.hl7_messages.message_at is 'class=operational;about=MSH-7, when the sender made it.';
comment on column interop.hl7_messages.received_at is 'class=operational;about=When it was received or queued; months are partitions.';
comment on column interop.hl7_messages.raw_enc is 'class=phi;enc=1;about=The message as it came, encrypted.';
comment on column interop.hl7_messages.raw_hash is 'class=phi;about=SHA-256 of the message, before it was encrypted.';
comment on column interop.hl7_messages.parsed_enc is 'class=phi;enc=1;about=The segments as JSON, encrypted.';
comment on column interop.hl7_messages.patient_id is 'class=phi;about=Patient whom the message is about, once matched.';
comment on column interop.hl7_messages.subject_type is 'class=phi;about=Table of the row that the message made or changed, or that it is sent about.';
comment on column interop.hl7_messages.subject_id is 'class=phi;about=That row.';
comment on column interop.hl7_messages.ack_code is 'class=operational;about=AA, AE or AR (application), CA, CE or CR (accept, enhanced mode): given for a message in, received for one out.';
comment on column interop.hl7_messages.ack_at is 'class=operational;about=When the answer was given or received.';
comment on column interop.hl7_messages.ack_text is 'class=phi;about=Text of the answer; names fields, never their values.';
comment on column interop.hl7_messages.error_segments is 'class=phi;about=ERR segments: location, code, severity.';
comment on column interop.hl7_messages.attempts is 'class=operational;about=How often processing or sending was tried.';
comment on column interop.hl7_messages.next_attempt_at is 'class=operational;about=When it is tried next; a worker that claims the message moves it on by its lease.';
comment on column interop.hl7_messages.replay_of_id is 'class=operational;about=Message that this one repeats after a mapping was corrected.';
comment on column interop.hl7_messages.status is 'class=operational;about=In: received, parsed, applied, ignored, failed, dead or rejected. Out: queued, sent, acked, failed or dead.';
select core.comment_standard_columns('interop.hl7_messages');

alter table interop.hl7_messages enable row level security, force row level security;
create policy tenant_isolation on interop.hl7_messages
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
alter table interop.hl7_messages_default enable row level security, force row level security;
create policy tenant_isolation on interop.hl7_messages_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger hl7_messages_no_aadhaar before insert or update on interop.hl7_messages
  for each row execute function core.reject_aadhaar_like('control_id', 'ack_text');
create trigger hl7_messages_touch before update on interop.hl7_messages
  for each row execute function core.update_updated_at_column('row_version');
create trigger hl7_messages_transition before insert or update of status on interop.hl7_messages
  for each row execute function core.enforce_transition('interop.hl7_messages', 'status');
select audit.track('interop.hl7_messages');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('interop.hl7_messages', '', 'received', false, null),
  ('interop.hl7_messages', 'received', 'parsed', false, null),
  ('interop.hl7_messages', 'received', 'failed', false, null),
  ('interop.hl7_messages', 'received', 'rejected', false, null),
  ('interop.hl7_messages', 'received', 'queued', false, null),
  ('interop.hl7_messages', 'parsed', 'applied', false, null),
  ('interop.hl7_messages', 'parsed', 'failed', false, null),
  ('interop.hl7_messages', 'parsed', 'ignored', false, null),
  ('interop.hl7_messages', 'failed', 'parsed', false, null),
  ('interop.hl7_messages', 'failed', 'queued', false, null),
  ('interop.hl7_messages', 'failed', 'dead', false, null),
  ('interop.hl7_messages', 'queued', 'sent', false, null),
  ('interop.hl7_messages', 'queued', 'failed', false, null),
  ('interop.hl7_messages', 'sent', 'acked', false, null),
  ('interop.hl7_messages', 'sent', 'failed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on interop.hl7_messages to interop_app;
grant select on interop.hl7_messages to interop_ro;
