-- scheduling.telemedicine_sessions: a video or audio consultation with its consent and prescribing limits.
--
-- India's Telemedicine Practice Guidelines (2020) know three lists of medicines: O (over the counter), A (first video
-- consultation), B (follow-up only). No list allows Schedule X or NDPS drugs; the module medication refuses those.

create table scheduling.telemedicine_sessions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  appointment_id uuid not null,
  encounter_id uuid, -- the module clinical adds the foreign key
  patient_id uuid not null,
  doctor_id uuid not null,
  mode text not null default 'video',
  provider text not null,
  room_ref text not null,
  join_token_hash bytea,
  patient_location text,
  identity_verified_by text,
  consent_kind text not null default 'implied',
  consent_id uuid, -- the module compliance adds the foreign key
  prescribing_list text not null default 'O',
  started_at timestamptz,
  ended_at timestamptz,
  recording_document_id uuid, -- the module ehr adds the foreign key
  quality jsonb,
  status text not null default 'scheduled',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint telemedicine_sessions_pkey primary key (tenant_id, id),
  constraint telemedicine_sessions_mode_check check (mode in ('video', 'audio', 'chat')),
  constraint telemedicine_sessions_consent_kind_check check (consent_kind in ('implied', 'explicit')),
  constraint telemedicine_sessions_prescribing_list_check check (prescribing_list in ('O', 'A', 'B', 'none')),
  constraint telemedicine_sessions_status_check check (
    status in ('scheduled', 'waiting', 'in_progress', 'dropped', 'completed', 'no_show', 'cancelled')
  ),
  constraint telemedicine_sessions_end_after_start check (ended_at >= started_at),
  constraint telemedicine_sessions_recorded_with_consent check (recording_document_id is null or consent_kind = 'explicit'),
  constraint telemedicine_sessions_explicit_consent_named check (consent_kind <> 'explicit' or consent_id is not null)
);

alter table scheduling.telemedicine_sessions
  add constraint telemedicine_sessions_tenant_fkey foreign key (tenant_id) references core.tenants (id);
alter table scheduling.telemedicine_sessions
  add constraint telemedicine_sessions_appointment_fkey foreign key (tenant_id, appointment_id) references scheduling.appointments (tenant_id, id);
alter table scheduling.telemedicine_sessions
  add constraint telemedicine_sessions_patient_fkey foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table scheduling.telemedicine_sessions
  add constraint telemedicine_sessions_doctor_fkey foreign key (tenant_id, doctor_id) references workforce.doctors (tenant_id, id);

create unique index telemedicine_sessions_one_live_per_appointment
  on scheduling.telemedicine_sessions (tenant_id, appointment_id)
  where status in ('scheduled', 'waiting', 'in_progress', 'dropped');
create index telemedicine_sessions_appointment_idx on scheduling.telemedicine_sessions (tenant_id, appointment_id);
create index telemedicine_sessions_patient_idx on scheduling.telemedicine_sessions (tenant_id, patient_id);
create index telemedicine_sessions_doctor_idx on scheduling.telemedicine_sessions (tenant_id, doctor_id);

comment on table scheduling.telemedicine_sessions is 'class=phi;scope=tenant;owner=appointment;fhir=Encounter;retention=medical_record;about=A video or audio consultation with its consent and prescribing limits.';
comment on column scheduling.telemedicine_sessions.appointment_id is 'class=phi;about=The appointment that is held remotely.';
comment on column scheduling.telemedicine_sessions.encounter_id is 'class=phi;about=The encounter that documents the consultation.';
comment on column scheduling.telemedicine_sessions.patient_id is 'class=phi;about=Who consults.';
comment on column scheduling.telemedicine_sessions.doctor_id is 'class=phi;about=The doctor who is consulted.';
comment on column scheduling.telemedicine_sessions.mode is 'class=operational;about=Video, audio or chat; some medicines need video.';
comment on column scheduling.telemedicine_sessions.provider is 'class=operational;about=The service that carries the call.';
comment on column scheduling.telemedicine_sessions.room_ref is 'class=operational;about=The provider''s name of the room.';
comment on column scheduling.telemedicine_sessions.join_token_hash is 'class=operational;about=SHA-256 of the token that admits the patient; the token itself is not kept.';
comment on column scheduling.telemedicine_sessions.patient_location is 'class=phi;about=Where the patient is, as told; decides emergency referral.';
comment on column scheduling.telemedicine_sessions.identity_verified_by is 'class=pii;about=How the patient''s identity was checked.';
comment on column scheduling.telemedicine_sessions.consent_kind is 'class=phi;about=implied when the patient called, explicit when it was asked for and recorded.';
comment on column scheduling.telemedicine_sessions.consent_id is 'class=phi;about=The recorded consent.';
comment on column scheduling.telemedicine_sessions.prescribing_list is 'class=phi;about=The list of medicines that may be prescribed in this session: O, A, B or none.';
comment on column scheduling.telemedicine_sessions.started_at is 'class=phi;about=When doctor and patient first met.';
comment on column scheduling.telemedicine_sessions.ended_at is 'class=phi;about=When the call ended.';
comment on column scheduling.telemedicine_sessions.recording_document_id is 'class=phi;about=The recording, only with explicit consent.';
comment on column scheduling.telemedicine_sessions.quality is 'class=operational;about=Measurements of the connection.';
comment on column scheduling.telemedicine_sessions.status is 'class=operational;about=Where the session stands.';
select core.comment_standard_columns('scheduling.telemedicine_sessions');

alter table scheduling.telemedicine_sessions enable row level security, force row level security;
create policy tenant_isolation on scheduling.telemedicine_sessions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger telemedicine_sessions_touch before update on scheduling.telemedicine_sessions
  for each row execute function core.update_updated_at_column('row_version');
create trigger telemedicine_sessions_transition before insert or update of status on scheduling.telemedicine_sessions
  for each row execute function core.enforce_transition('scheduling.telemedicine_sessions', 'status');
select audit.track('scheduling.telemedicine_sessions');

insert into core.transition_rules (machine, from_state, to_state) values
  ('scheduling.telemedicine_sessions', '', 'scheduled'),
  ('scheduling.telemedicine_sessions', 'scheduled', 'waiting'),
  ('scheduling.telemedicine_sessions', 'scheduled', 'cancelled'),
  ('scheduling.telemedicine_sessions', 'scheduled', 'no_show'),
  ('scheduling.telemedicine_sessions', 'waiting', 'in_progress'),
  ('scheduling.telemedicine_sessions', 'waiting', 'no_show'),
  ('scheduling.telemedicine_sessions', 'waiting', 'cancelled'),
  ('scheduling.telemedicine_sessions', 'in_progress', 'completed'),
  ('scheduling.telemedicine_sessions', 'in_progress', 'dropped'),
  ('scheduling.telemedicine_sessions', 'dropped', 'in_progress'),
  ('scheduling.telemedicine_sessions', 'dropped', 'completed')
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on scheduling.telemedicine_sessions to appointment_app;
grant select on scheduling.telemedicine_sessions to appointment_ro;
