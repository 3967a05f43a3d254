-- clinical.vital_signs: One set of vitals, typed for fast charts and early-warning scores.

create table clinical.vital_signs (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  measured_at timestamptz not null,
  patient_id uuid not null,
  encounter_id uuid,
  temperature_c numeric(4, 1),
  pulse smallint,
  resp_rate smallint,
  systolic smallint,
  diastolic smallint,
  spo2 smallint,
  on_oxygen boolean,
  weight_kg numeric(6, 2),
  height_cm numeric(5, 1),
  bmi numeric(5, 2) generated always as (patient.calculate_bmi(weight_kg, height_cm)) stored,
  pain_score smallint,
  consciousness text,
  news2 smallint,
  glucose_mg_dl numeric(6, 1),
  device_id uuid,
  recorded_by uuid not null,
  replaces_id uuid,
  is_error boolean not null default false,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint vital_signs_pkey primary key (tenant_id, id, measured_at),
  constraint vital_signs_patient_measured_at_key unique (tenant_id, patient_id, measured_at, id),
  constraint vital_signs_consciousness_check check (consciousness in ('A', 'C', 'V', 'P', 'U')),
  constraint vital_signs_temperature_c_range check (temperature_c between 20 and 46),
  constraint vital_signs_pulse_range check (pulse between 0 and 350),
  constraint vital_signs_resp_rate_range check (resp_rate between 0 and 120),
  constraint vital_signs_systolic_range check (systolic between 20 and 320),
  constraint vital_signs_diastolic_range check (diastolic between 10 and 220 and diastolic < systolic),
  constraint vital_signs_spo2_range check (spo2 between 0 and 100),
  constraint vital_signs_height_cm_range check (height_cm between 20 and 260),
  constraint vital_signs_weight_kg_range check (weight_kg between 0.2 and 500),
  constraint vital_signs_pain_score_range check (pain_score between 0 and 10),
  constraint vital_signs_news2_range check (news2 between 0 and 20)
) partition by range (measured_at);

create table clinical.vital_signs_default partition of clinical.vital_signs default;

alter table clinical.vital_signs add constraint vital_signs_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table clinical.vital_signs add constraint vital_signs_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table clinical.vital_signs add constraint vital_signs_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table clinical.vital_signs add constraint vital_signs_device_fkey
  foreign key (tenant_id, device_id) references device.devices (tenant_id, id);
alter table clinical.vital_signs add constraint vital_signs_recorded_by_fkey
  foreign key (tenant_id, recorded_by) references workforce.staff (tenant_id, id);

create index vital_signs_encounter_idx on clinical.vital_signs (tenant_id, encounter_id)
  where encounter_id is not null;
create index vital_signs_device_idx on clinical.vital_signs (tenant_id, device_id)
  where device_id is not null;
create index vital_signs_recorded_by_idx on clinical.vital_signs (tenant_id, recorded_by);

comment on table clinical.vital_signs is 'class=phi;scope=tenant;owner=clinical;fhir=Observation (vital-signs);retention=medical_record;append_only=1;partition=month;about=One set of vitals, typed for fast charts and early-warning scores.';
comment on column clinical.vital_signs.measured_at is 'class=phi;about=?';
comment on column clinical.vital_signs.patient_id is 'class=phi;about=The patient.';
comment on column clinical.vital_signs.encounter_id is 'class=phi;about=The encounter that it belongs to.';
comment on column clinical.vital_signs.temperature_c is 'class=phi;about=?';
comment on column clinical.vital_signs.pulse is 'class=phi;about=?';
comment on column clinical.vital_signs.resp_rate is 'class=phi;about=?';
comment on column clinical.vital_signs.systolic is 'class=phi;about=?';
comment on column clinical.vital_signs.diastolic is 'class=phi;about=?';
comment on column clinical.vital_signs.spo2 is 'class=phi;about=?';
comment on column clinical.vital_signs.on_oxygen is 'class=phi;about=?';
comment on column clinical.vital_signs.weight_kg is 'class=phi;about=?';
comment on column clinical.vital_signs.height_cm is 'class=phi;about=?';
comment on column clinical.vital_signs.bmi is 'class=phi;about=?';
comment on column clinical.vital_signs.pain_score is 'class=phi;about=?';
comment on column clinical.vital_signs.consciousness is 'class=phi;about=?';
comment on column clinical.vital_signs.news2 is 'class=phi;about=?';
comment on column clinical.vital_signs.glucose_mg_dl is 'class=phi;about=?';
comment on column clinical.vital_signs.device_id is 'class=phi;about=?';
comment on column clinical.vital_signs.recorded_by is 'class=phi;about=?';
comment on column clinical.vital_signs.replaces_id is 'class=phi;about=?';
comment on column clinical.vital_signs.is_error is 'class=phi;about=?';
select core.comment_standard_columns('clinical.vital_signs');

alter table clinical.vital_signs enable row level security;
alter table clinical.vital_signs force row level security;
create policy tenant_isolation on clinical.vital_signs
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
alter table clinical.vital_signs_default enable row level security;
alter table clinical.vital_signs_default force row level security;
create policy tenant_isolation on clinical.vital_signs_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger vital_signs_append_only before update or delete on clinical.vital_signs
  for each row execute function core.refuse_change();
create trigger vital_signs_no_truncate before truncate on clinical.vital_signs
  for each statement execute function core.refuse_change();
create trigger vital_signs_default_no_truncate before truncate on clinical.vital_signs_default
  for each statement execute function core.refuse_change();
select audit.track('clinical.vital_signs');

grant select, insert on clinical.vital_signs to clinical_app;
grant select on clinical.vital_signs to clinical_ro;
