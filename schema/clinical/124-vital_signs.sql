-- One set of vital signs, in typed columns for fast charts. The early-warning score NEWS2 is computed by a trigger when
-- all of its parts are there and the patient is 16 or older. Append-only: a correction is a new row that names the old.

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
  spo2_scale smallint not null default 1,
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
  constraint vital_signs_of_patient_in_order unique (tenant_id, patient_id, measured_at, id),
  constraint vital_signs_consciousness_check check (consciousness in ('A', 'C', 'V', 'P', 'U')),
  constraint vital_signs_temperature_20_to_46 check (temperature_c between 20 and 46),
  constraint vital_signs_pulse_0_to_350 check (pulse between 0 and 350),
  constraint vital_signs_breaths_0_to_120 check (resp_rate between 0 and 120),
  constraint vital_signs_systolic_20_to_320 check (systolic between 20 and 320),
  constraint vital_signs_diastolic_below_systolic check (diastolic between 10 and 220 and diastolic < systolic),
  constraint vital_signs_spo2_0_to_100 check (spo2 between 0 and 100),
  constraint vital_signs_spo2_scale_1_or_2 check (spo2_scale in (1, 2)),
  constraint vital_signs_height_20_to_260 check (height_cm between 20 and 260),
  constraint vital_signs_weight_to_500 check (weight_kg between 0.2 and 500),
  constraint vital_signs_pain_0_to_10 check (pain_score between 0 and 10),
  constraint vital_signs_news2_0_to_20 check (news2 between 0 and 20),
  constraint vital_signs_error_names_row check (not is_error or replaces_id is not null),
  constraint vital_signs_measures_something check (
    is_error or num_nonnulls(
      temperature_c, pulse, resp_rate, systolic, spo2, weight_kg, height_cm, pain_score, consciousness, glucose_mg_dl
    ) > 0
  )
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
create index vital_signs_replaces_idx on clinical.vital_signs (tenant_id, replaces_id)
  where replaces_id is not null;
create index vital_signs_recorded_by_idx on clinical.vital_signs (tenant_id, recorded_by);

comment on table clinical.vital_signs is 'class=phi;scope=tenant;owner=clinical;fhir=Observation (vital-signs);retention=medical_record;append_only=1;partition=month;about=One set of vitals, typed for fast charts and early-warning scores.';
comment on column clinical.vital_signs.measured_at is 'class=operational;about=When it was measured.';
comment on column clinical.vital_signs.patient_id is 'class=phi;about=The patient.';
comment on column clinical.vital_signs.encounter_id is 'class=phi;about=The encounter.';
comment on column clinical.vital_signs.temperature_c is 'class=phi;about=Body temperature in degrees Celsius.';
comment on column clinical.vital_signs.pulse is 'class=phi;about=Pulse in beats a minute.';
comment on column clinical.vital_signs.resp_rate is 'class=phi;about=Breaths a minute.';
comment on column clinical.vital_signs.systolic is 'class=phi;about=Systolic blood pressure in mmHg.';
comment on column clinical.vital_signs.diastolic is 'class=phi;about=Diastolic blood pressure in mmHg.';
comment on column clinical.vital_signs.spo2 is 'class=phi;about=Oxygen saturation in percent.';
comment on column clinical.vital_signs.spo2_scale is 'class=phi;about=SpO2 scale of NEWS2: 1, or 2 for hypercapnic failure with a target of 88 to 92 percent.';
comment on column clinical.vital_signs.on_oxygen is 'class=phi;about=True when the patient gets oxygen.';
comment on column clinical.vital_signs.weight_kg is 'class=phi;about=Weight in kilograms.';
comment on column clinical.vital_signs.height_cm is 'class=phi;about=Height in centimetres.';
comment on column clinical.vital_signs.bmi is 'class=phi;about=Body mass index, computed.';
comment on column clinical.vital_signs.pain_score is 'class=phi;about=Pain from 0 to 10.';
comment on column clinical.vital_signs.consciousness is 'class=phi;about=A alert, C new confusion, V voice, P pain, U unresponsive.';
comment on column clinical.vital_signs.news2 is 'class=phi;about=National Early Warning Score 2, 0 to 20; null when a part of it is missing.';
comment on column clinical.vital_signs.glucose_mg_dl is 'class=phi;about=Blood glucose in mg/dL.';
comment on column clinical.vital_signs.device_id is 'class=operational;about=Device that measured.';
comment on column clinical.vital_signs.recorded_by is 'class=operational;about=Member of staff who recorded it.';
comment on column clinical.vital_signs.replaces_id is 'class=phi;about=The row that this one corrects.';
comment on column clinical.vital_signs.is_error is 'class=phi;about=True when the replaced row should not exist: nothing was measured.';
select core.comment_standard_columns('clinical.vital_signs');

alter table clinical.vital_signs enable row level security, force row level security;
create policy tenant_isolation on clinical.vital_signs
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
alter table clinical.vital_signs_default enable row level security, force row level security;
create policy tenant_isolation on clinical.vital_signs_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger vital_signs_append_only before update or delete on clinical.vital_signs
  for each row execute function core.refuse_change();
create trigger vital_signs_no_truncate before truncate on clinical.vital_signs
  for each statement execute function core.refuse_change();
create trigger vital_signs_default_no_truncate before truncate on clinical.vital_signs_default
  for each statement execute function core.refuse_change();
create trigger vital_signs_score before insert on clinical.vital_signs
  for each row execute function clinical.score_vital_signs();
select audit.track('clinical.vital_signs');

grant select, insert on clinical.vital_signs to clinical_app;
grant select on clinical.vital_signs to clinical_ro;
