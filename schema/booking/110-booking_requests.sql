-- booking.booking_requests: one request to book; its idempotency key, its hold, its outcome.
--
-- The row is the idempotency record: whoever inserts the key decides, everybody else with that key waits for the
-- decision and reads it. Only the operations of this module write here; a refusal is a stored outcome, not an error.

create table booking.booking_requests (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  idempotency_key text not null,
  request_hash bytea not null,
  patient_id uuid not null,
  slot_id uuid not null,
  requested_by uuid,
  channel text not null,
  payload jsonb not null default '{}',
  hold_expires_at timestamptz,
  attempts smallint not null default 0,
  failure_code text,
  appointment_id uuid,
  decided_at timestamptz,
  status text not null default 'received',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint booking_requests_pkey primary key (tenant_id, id),
  constraint booking_requests_idempotency_key_key unique (tenant_id, idempotency_key),
  constraint booking_requests_status_check check (
    status in ('received', 'held', 'confirmed', 'rejected', 'released', 'expired')
  ),
  constraint booking_requests_channel_check check (channel in ('counter', 'phone', 'portal', 'whatsapp', 'abdm', 'api')),
  constraint booking_requests_idempotency_key_check check (length(idempotency_key) between 8 and 200),
  constraint booking_requests_failure_code_check check (failure_code ~ '^IM[0-9]{3}$'),
  constraint booking_requests_rejected_with_code check (status <> 'rejected' or failure_code is not null),
  constraint booking_requests_confirmed_with_appointment check (status <> 'confirmed' or appointment_id is not null),
  constraint booking_requests_held_with_end check (status <> 'held' or hold_expires_at is not null),
  constraint booking_requests_hold_is_short check (hold_expires_at <= created_at + interval '15 minutes')
);

alter table booking.booking_requests
  add constraint booking_requests_tenant_fkey foreign key (tenant_id) references core.tenants (id);
alter table booking.booking_requests
  add constraint booking_requests_patient_fkey foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table booking.booking_requests
  add constraint booking_requests_slot_fkey foreign key (tenant_id, slot_id) references scheduling.appointment_slots (tenant_id, id);
-- request and appointment point at each other: checked at commit
alter table booking.booking_requests
  add constraint booking_requests_appointment_fkey foreign key (tenant_id, appointment_id)
  references scheduling.appointments (tenant_id, id) deferrable initially deferred;

create index booking_requests_patient_idx on booking.booking_requests (tenant_id, patient_id);
create index booking_requests_slot_idx on booking.booking_requests (tenant_id, slot_id);
create index booking_requests_appointment_idx on booking.booking_requests (tenant_id, appointment_id) where appointment_id is not null;
-- holds that run out, for the whole tenant and for one slot that looks full
create index booking_requests_held_idx on booking.booking_requests (tenant_id, hold_expires_at) where status = 'held';
create index booking_requests_held_slot_idx on booking.booking_requests (tenant_id, slot_id, hold_expires_at) where status = 'held';

comment on table booking.booking_requests is 'class=phi;scope=tenant;owner=appointment;fhir=Appointment;retention=medical_record;about=One request to book: its idempotency key, its hold, its outcome.';
comment on column booking.booking_requests.idempotency_key is 'class=operational;about=Chosen by the client, 8 to 200 characters; the same key gives the same answer.';
comment on column booking.booking_requests.request_hash is 'class=operational;about=SHA-256 of what was asked; the same key with another content is refused (IM011).';
comment on column booking.booking_requests.patient_id is 'class=phi;about=For whom the visit is.';
comment on column booking.booking_requests.slot_id is 'class=operational;about=The slot that was asked for.';
comment on column booking.booking_requests.requested_by is 'class=operational;about=The user who asked, and who alone may confirm or release the hold.';
comment on column booking.booking_requests.channel is 'class=operational;about=How the request came in.';
comment on column booking.booking_requests.payload is 'class=phi;about=Further wishes: type, priority, reason_enc (base64 of the encrypted reason).';
comment on column booking.booking_requests.hold_expires_at is 'class=operational;about=Until when the place is held, at most 15 minutes after the request.';
comment on column booking.booking_requests.attempts is 'class=operational;about=How often the request was decided; a repeated key does not count.';
comment on column booking.booking_requests.failure_code is 'class=operational;about=Why the request was refused or the hold not confirmed, an IM code.';
comment on column booking.booking_requests.appointment_id is 'class=phi;about=The appointment that came of the request.';
comment on column booking.booking_requests.decided_at is 'class=operational;about=When the outcome was settled.';
comment on column booking.booking_requests.status is 'class=operational;about=Where the request stands.';
select core.comment_standard_columns('booking.booking_requests');

alter table booking.booking_requests enable row level security, force row level security;
create policy tenant_isolation on booking.booking_requests
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger booking_requests_touch before update on booking.booking_requests
  for each row execute function core.update_updated_at_column('row_version');
create trigger booking_requests_transition before insert or update of status on booking.booking_requests
  for each row execute function core.enforce_transition('booking.booking_requests', 'status');
select audit.track('booking.booking_requests');

-- a request that is decided as it comes in is stored once, as what became of it
insert into core.transition_rules (machine, from_state, to_state) values
  ('booking.booking_requests', '', 'received'),
  ('booking.booking_requests', '', 'held'),
  ('booking.booking_requests', '', 'confirmed'),
  ('booking.booking_requests', '', 'rejected'),
  ('booking.booking_requests', 'received', 'held'),
  ('booking.booking_requests', 'received', 'confirmed'),
  ('booking.booking_requests', 'received', 'rejected'),
  ('booking.booking_requests', 'held', 'confirmed'),
  ('booking.booking_requests', 'held', 'released'),
  ('booking.booking_requests', 'held', 'expired'),
  ('booking.booking_requests', 'rejected', 'received')
on conflict (machine, from_state, to_state) do nothing;

grant select on booking.booking_requests to appointment_app, appointment_ro;
