-- scheduling.queue_management: token queues of a day, counter or doctor; also ABDM scan-and-share tokens.
--
-- One row is one token. Numbers count 1, 2, 3 per queue and day without gaps (core.next_number, scope token). Tokens are
-- issued and moved by operations only.

create table scheduling.queue_management (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  queue_key text not null,
  queue_date date not null,
  token_number integer not null,
  token_label text not null,
  clinic_id uuid not null,
  department_id uuid,
  doctor_id uuid,
  counter_location_id uuid,
  patient_id uuid,
  appointment_id uuid,
  source text not null default 'counter',
  abdm_request_id uuid,
  token_expires_at timestamptz,
  transferred_from_id uuid,
  priority smallint not null default 0,
  issued_at timestamptz not null default now(),
  called_at timestamptz,
  started_at timestamptz,
  finished_at timestamptz,
  recall_count smallint not null default 0,
  status text not null default 'waiting',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint queue_management_pkey primary key (tenant_id, id),
  constraint queue_management_number_key unique (tenant_id, queue_key, queue_date, token_number),
  constraint queue_management_source_check check (source in ('counter', 'kiosk', 'appointment', 'abdm_scan_share')),
  constraint queue_management_status_check check (
    status in ('waiting', 'called', 'in_service', 'skipped', 'done', 'transferred', 'left', 'expired')
  ),
  constraint queue_management_queue_key_check check (queue_key ~ '^[a-z0-9][a-z0-9_.:-]{0,59}$'),
  constraint queue_management_token_number_check check (token_number > 0),
  constraint queue_management_priority_check check (priority between 0 and 9),
  constraint queue_management_called_after_issued check (called_at >= issued_at),
  constraint queue_management_started_after_called check (started_at >= called_at),
  constraint queue_management_finished_after_started check (finished_at >= started_at),
  constraint queue_management_scan_share_expires check (source <> 'abdm_scan_share' or token_expires_at is not null),
  constraint queue_management_not_from_itself check (transferred_from_id <> id)
);

alter table scheduling.queue_management
  add constraint queue_management_tenant_fkey foreign key (tenant_id) references core.tenants (id);
alter table scheduling.queue_management
  add constraint queue_management_clinic_fkey foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
alter table scheduling.queue_management
  add constraint queue_management_department_fkey foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);
alter table scheduling.queue_management
  add constraint queue_management_doctor_fkey foreign key (tenant_id, doctor_id) references workforce.doctors (tenant_id, id);
alter table scheduling.queue_management
  add constraint queue_management_counter_location_fkey foreign key (tenant_id, counter_location_id) references facility.locations (tenant_id, id);
alter table scheduling.queue_management
  add constraint queue_management_patient_fkey foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table scheduling.queue_management
  add constraint queue_management_appointment_fkey foreign key (tenant_id, appointment_id) references scheduling.appointments (tenant_id, id);
alter table scheduling.queue_management
  add constraint queue_management_transferred_from_fkey foreign key (tenant_id, transferred_from_id) references scheduling.queue_management (tenant_id, id);

-- an appointment has one token at a time, in one queue; one that was transferred, left or expired may get another
create unique index queue_management_one_token_per_appointment
  on scheduling.queue_management (tenant_id, appointment_id)
  where appointment_id is not null and status in ('waiting', 'called', 'in_service', 'skipped', 'done');
create unique index queue_management_one_token_per_abdm_request
  on scheduling.queue_management (tenant_id, abdm_request_id)
  where abdm_request_id is not null and transferred_from_id is null;
create unique index queue_management_transferred_once
  on scheduling.queue_management (tenant_id, transferred_from_id)
  where transferred_from_id is not null;
-- the order in which tokens are called
create index queue_management_waiting_idx
  on scheduling.queue_management (tenant_id, queue_key, queue_date, priority desc, token_number)
  where status = 'waiting';
create index queue_management_to_expire_idx
  on scheduling.queue_management (tenant_id, queue_date, id)
  where status in ('waiting', 'called', 'skipped');
create index queue_management_clinic_idx on scheduling.queue_management (tenant_id, clinic_id, queue_date);
create index queue_management_department_idx on scheduling.queue_management (tenant_id, department_id);
create index queue_management_doctor_idx on scheduling.queue_management (tenant_id, doctor_id);
create index queue_management_counter_location_idx on scheduling.queue_management (tenant_id, counter_location_id);
create index queue_management_patient_idx on scheduling.queue_management (tenant_id, patient_id);
create index queue_management_appointment_idx on scheduling.queue_management (tenant_id, appointment_id);

comment on table scheduling.queue_management is 'class=phi;scope=tenant;owner=appointment;fhir=Appointment,Task;retention=medical_record;about=Token queues of a day, counter or doctor; also ABDM scan-and-share tokens.';
comment on column scheduling.queue_management.queue_key is 'class=operational;about=Name of the queue, unique in the tenant, such as opd-general or pharmacy.';
comment on column scheduling.queue_management.queue_date is 'class=operational;about=The day of the queue, in the clinic''s time zone.';
comment on column scheduling.queue_management.token_number is 'class=operational;about=1, 2, 3 per queue and day, without gaps.';
comment on column scheduling.queue_management.token_label is 'class=operational;about=What is printed and announced: the number as the series writes it, such as A-017 (core.configure_series, scope token).';
comment on column scheduling.queue_management.clinic_id is 'class=operational;about=The clinic of the queue.';
comment on column scheduling.queue_management.department_id is 'class=operational;about=The department that serves the queue.';
comment on column scheduling.queue_management.doctor_id is 'class=operational;about=The doctor whom the token is for.';
comment on column scheduling.queue_management.counter_location_id is 'class=operational;about=The counter or room that called the token.';
comment on column scheduling.queue_management.patient_id is 'class=phi;about=Who waits; null until the patient is known.';
comment on column scheduling.queue_management.appointment_id is 'class=phi;about=The appointment that the patient checked in for.';
comment on column scheduling.queue_management.source is 'class=operational;about=How the token was asked for.';
comment on column scheduling.queue_management.abdm_request_id is 'class=operational;about=Request id of the ABDM scan-and-share message.';
comment on column scheduling.queue_management.token_expires_at is 'class=operational;about=When a waiting token lapses; always set for scan-and-share.';
comment on column scheduling.queue_management.transferred_from_id is 'class=operational;about=The token of the queue that the patient was sent here from.';
comment on column scheduling.queue_management.priority is 'class=phi;about=0 to 9; higher is called first, equal ones by number.';
comment on column scheduling.queue_management.issued_at is 'class=operational;about=When the token was issued.';
comment on column scheduling.queue_management.called_at is 'class=operational;about=When the token was last called.';
comment on column scheduling.queue_management.started_at is 'class=operational;about=When service began.';
comment on column scheduling.queue_management.finished_at is 'class=operational;about=When service ended.';
comment on column scheduling.queue_management.recall_count is 'class=operational;about=How often the token was called again.';
comment on column scheduling.queue_management.status is 'class=operational;about=Where the token stands.';
select core.comment_standard_columns('scheduling.queue_management');

alter table scheduling.queue_management enable row level security, force row level security;
create policy tenant_isolation on scheduling.queue_management
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger queue_management_touch before update on scheduling.queue_management
  for each row execute function core.update_updated_at_column('row_version');
create trigger queue_management_transition before insert or update of status on scheduling.queue_management
  for each row execute function core.enforce_transition('scheduling.queue_management', 'status');
create trigger queue_management_first_state after insert on scheduling.queue_management
  for each row execute function core.announce_first_state('scheduling.queue_management');
select audit.track('scheduling.queue_management');

insert into core.transition_rules (machine, from_state, to_state, emits_event) values
  ('scheduling.queue_management', '', 'waiting', 'queue.token_issued.v1'),
  ('scheduling.queue_management', 'waiting', 'called', 'queue.token_called.v1'),
  ('scheduling.queue_management', 'waiting', 'transferred', null),
  ('scheduling.queue_management', 'waiting', 'left', null),
  ('scheduling.queue_management', 'waiting', 'expired', null),
  ('scheduling.queue_management', 'called', 'in_service', null),
  ('scheduling.queue_management', 'called', 'waiting', null),
  ('scheduling.queue_management', 'called', 'skipped', null),
  ('scheduling.queue_management', 'called', 'left', null),
  ('scheduling.queue_management', 'skipped', 'waiting', null),
  ('scheduling.queue_management', 'skipped', 'left', null),
  ('scheduling.queue_management', 'in_service', 'done', null),
  ('scheduling.queue_management', 'in_service', 'waiting', null)
on conflict (machine, from_state, to_state) do nothing;

grant select on scheduling.queue_management to appointment_app, appointment_ro;
grant update (patient_id, priority, row_version) on scheduling.queue_management to appointment_app;
