-- scheduling.appointments: a booked visit.
--
-- Rows are made and moved by operations only (booking.*, scheduling.*), which keep the counts of the slot in step.
-- Every appointment that is not proposed, cancelled or rescheduled takes one place of its slot.

create table scheduling.appointments (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  appointment_number text not null,
  patient_id uuid not null,
  clinic_id uuid not null,
  doctor_id uuid,
  department_id uuid,
  slot_id uuid,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  type text not null default 'new',
  channel text not null default 'counter',
  priority text not null default 'routine',
  reason_enc bytea,
  fee_status text not null default 'unpaid',
  booking_request_id uuid,
  rescheduled_from_id uuid,
  checked_in_at timestamptz,
  cancelled_reason text,
  encounter_id uuid, -- the module clinical adds the foreign key
  status scheduling.appointment_status not null default 'proposed',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint appointments_pkey primary key (tenant_id, id),
  constraint appointments_type_check check (
    type in ('new', 'follow_up', 'procedure', 'diagnostic', 'teleconsult', 'vaccination')
  ),
  constraint appointments_channel_check check (channel in ('counter', 'phone', 'portal', 'whatsapp', 'abdm', 'api')),
  constraint appointments_priority_check check (priority in ('routine', 'urgent', 'emergency')),
  constraint appointments_fee_status_check check (fee_status in ('unpaid', 'paid', 'waived', 'free_followup')),
  constraint appointments_end_after_start check (ends_at > starts_at),
  constraint appointments_cancelled_with_reason check (status <> 'cancelled' or cancelled_reason is not null),
  constraint appointments_not_from_itself check (rescheduled_from_id <> id),
  -- a live appointment holds a place of its slot: cancel it before deleting it
  constraint appointments_live_not_deleted check (
    deleted_at is null or status in ('proposed', 'cancelled', 'rescheduled', 'no_show', 'left', 'completed')
  )
);

alter table scheduling.appointments
  add constraint appointments_tenant_fkey foreign key (tenant_id) references core.tenants (id);
alter table scheduling.appointments
  add constraint appointments_patient_fkey foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table scheduling.appointments
  add constraint appointments_clinic_fkey foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
alter table scheduling.appointments
  add constraint appointments_doctor_fkey foreign key (tenant_id, doctor_id) references workforce.doctors (tenant_id, id);
alter table scheduling.appointments
  add constraint appointments_department_fkey foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);
alter table scheduling.appointments
  add constraint appointments_slot_fkey foreign key (tenant_id, slot_id) references scheduling.appointment_slots (tenant_id, id);
-- request and appointment point at each other: checked at commit
alter table scheduling.appointments
  add constraint appointments_booking_request_fkey foreign key (tenant_id, booking_request_id)
  references booking.booking_requests (tenant_id, id) deferrable initially deferred;
alter table scheduling.appointments
  add constraint appointments_rescheduled_from_fkey foreign key (tenant_id, rescheduled_from_id)
  references scheduling.appointments (tenant_id, id);

create unique index appointments_number_key on scheduling.appointments (tenant_id, appointment_number);
create unique index appointments_one_per_request
  on scheduling.appointments (tenant_id, booking_request_id)
  where booking_request_id is not null;
create unique index appointments_moved_once
  on scheduling.appointments (tenant_id, rescheduled_from_id)
  where rescheduled_from_id is not null;
create unique index appointments_not_twice_at_once
  on scheduling.appointments (tenant_id, patient_id, doctor_id, starts_at)
  where status not in ('cancelled', 'no_show', 'rescheduled') and deleted_at is null;
create index appointments_patient_idx on scheduling.appointments (tenant_id, patient_id, starts_at);
create index appointments_doctor_idx on scheduling.appointments (tenant_id, doctor_id, starts_at);
create index appointments_department_idx on scheduling.appointments (tenant_id, department_id, starts_at);
create index appointments_clinic_idx on scheduling.appointments (tenant_id, clinic_id, starts_at);
create index appointments_slot_idx on scheduling.appointments (tenant_id, slot_id);
create index appointments_encounter_idx on scheduling.appointments (tenant_id, encounter_id) where encounter_id is not null;
-- the day's list and the upcoming list: live states only, in order of time
create index appointments_live_idx
  on scheduling.appointments (tenant_id, starts_at)
  where status in ('booked', 'confirmed', 'checked_in', 'in_consultation');

comment on table scheduling.appointments is 'class=phi;scope=tenant;owner=appointment;fhir=Appointment;retention=medical_record;about=A booked visit.';
comment on column scheduling.appointments.appointment_number is 'class=phi;about=Number for people, APT-<clinic>-<yyyymmdd>-<n>; counts 1, 2, 3 per clinic and day without gaps.';
comment on column scheduling.appointments.patient_id is 'class=phi;about=Who comes.';
comment on column scheduling.appointments.clinic_id is 'class=operational;about=Where the visit takes place.';
comment on column scheduling.appointments.doctor_id is 'class=operational;about=The doctor who is seen; null when the department decides.';
comment on column scheduling.appointments.department_id is 'class=operational;about=The department that is visited.';
comment on column scheduling.appointments.slot_id is 'class=operational;about=The slot that the visit takes a place of; null for a visit outside the slots.';
comment on column scheduling.appointments.starts_at is 'class=phi;about=Agreed start.';
comment on column scheduling.appointments.ends_at is 'class=phi;about=Agreed end, exclusive.';
comment on column scheduling.appointments.type is 'class=phi;about=Kind of visit.';
comment on column scheduling.appointments.channel is 'class=operational;about=How the visit was booked.';
comment on column scheduling.appointments.priority is 'class=phi;about=How urgent the visit is.';
comment on column scheduling.appointments.reason_enc is 'class=phi;enc=1;about=Why the patient comes, encrypted by the application.';
comment on column scheduling.appointments.fee_status is 'class=financial;about=Whether the consultation fee is paid, waived or not due.';
comment on column scheduling.appointments.booking_request_id is 'class=operational;about=The booking request that made the appointment.';
comment on column scheduling.appointments.rescheduled_from_id is 'class=operational;about=The appointment that this one replaces.';
comment on column scheduling.appointments.checked_in_at is 'class=phi;about=When the patient reported at the desk.';
comment on column scheduling.appointments.cancelled_reason is 'class=phi;about=Why the visit was cancelled.';
comment on column scheduling.appointments.encounter_id is 'class=phi;about=The clinical encounter that came of the visit.';
comment on column scheduling.appointments.status is 'class=phi;about=Where the visit stands.';
select core.comment_standard_columns('scheduling.appointments');

alter table scheduling.appointments enable row level security, force row level security;
create policy tenant_isolation on scheduling.appointments
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger appointments_touch before update on scheduling.appointments
  for each row execute function core.update_updated_at_column('row_version');
create trigger appointments_transition before insert or update of status on scheduling.appointments
  for each row execute function core.enforce_transition('scheduling.appointments', 'status');
create trigger appointments_first_state after insert on scheduling.appointments
  for each row execute function core.announce_first_state('scheduling.appointments');
select audit.track('scheduling.appointments');

-- booked is an initial state too: a booking that takes its place at once was never a proposal
insert into core.transition_rules (machine, from_state, to_state, emits_event) values
  ('scheduling.appointments', '', 'proposed', null),
  ('scheduling.appointments', '', 'booked', 'appointment.booked.v1'),
  ('scheduling.appointments', 'proposed', 'booked', 'appointment.booked.v1'),
  ('scheduling.appointments', 'proposed', 'cancelled', 'appointment.cancelled.v1'),
  ('scheduling.appointments', 'booked', 'confirmed', null),
  ('scheduling.appointments', 'booked', 'checked_in', null),
  ('scheduling.appointments', 'booked', 'cancelled', 'appointment.cancelled.v1'),
  ('scheduling.appointments', 'booked', 'no_show', 'appointment.no_show.v1'),
  ('scheduling.appointments', 'booked', 'rescheduled', 'appointment.rescheduled.v1'),
  ('scheduling.appointments', 'confirmed', 'checked_in', null),
  ('scheduling.appointments', 'confirmed', 'cancelled', 'appointment.cancelled.v1'),
  ('scheduling.appointments', 'confirmed', 'no_show', 'appointment.no_show.v1'),
  ('scheduling.appointments', 'confirmed', 'rescheduled', 'appointment.rescheduled.v1'),
  ('scheduling.appointments', 'checked_in', 'in_consultation', null),
  ('scheduling.appointments', 'checked_in', 'cancelled', 'appointment.cancelled.v1'),
  ('scheduling.appointments', 'checked_in', 'left', null),
  ('scheduling.appointments', 'in_consultation', 'completed', null),
  ('scheduling.appointments', 'no_show', 'booked', 'appointment.booked.v1')
on conflict (machine, from_state, to_state) do nothing;

-- status, slot, patient and times belong to the operations
grant select on scheduling.appointments to appointment_app, appointment_ro;
grant update (type, priority, reason_enc, fee_status, encounter_id, deleted_at, deleted_by, delete_reason, row_version)
  on scheduling.appointments to appointment_app;
