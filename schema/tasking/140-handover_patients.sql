-- tasking.handover_patients: one patient of a handover, in the letters of I-PASS: Illness severity, Patient summary, Action
-- list, Situation awareness, Synthesis by the receiver. An unstable patient is handed over with a plan for what may happen.

create table tasking.handover_patients (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  handover_id uuid not null,
  patient_id uuid not null,
  encounter_id uuid not null,
  bed_id uuid,
  illness_severity text not null,
  patient_summary_enc bytea not null,
  action_list jsonb not null default '[]',
  situation_awareness_enc bytea,
  contingency_plan jsonb not null default '[]',
  synthesis_by_receiver_enc bytea,
  read_back_at timestamptz,
  read_back_by uuid,
  order_no smallint not null default 0,
  vector_clock jsonb not null default '{}',
  hlc_physical_us bigint not null,
  hlc_logical integer not null,
  hlc_node text not null,
  field_clocks jsonb not null default '{}',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint handover_patients_pkey primary key (tenant_id, id),
  constraint handover_patients_handover_patient_key unique (tenant_id, handover_id, patient_id),
  constraint handover_patients_illness_severity_check check (illness_severity in ('stable', 'watcher', 'unstable')),
  constraint handover_patients_lists_are_arrays check (
    jsonb_typeof(action_list) = 'array' and jsonb_typeof(contingency_plan) = 'array'
  ),
  constraint handover_patients_unstable_has_contingency check (
    illness_severity <> 'unstable' or contingency_plan <> '[]'
  ),
  constraint handover_patients_read_back_by_somebody check ((read_back_at is null) = (read_back_by is null)),
  constraint handover_patients_clock_is_positive check (hlc_physical_us > 0 and hlc_logical >= 0)
);

alter table tasking.handover_patients add constraint handover_patients_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table tasking.handover_patients add constraint handover_patients_handover_fkey
  foreign key (tenant_id, handover_id) references tasking.handovers (tenant_id, id);
alter table tasking.handover_patients add constraint handover_patients_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table tasking.handover_patients add constraint handover_patients_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table tasking.handover_patients add constraint handover_patients_bed_fkey
  foreign key (tenant_id, bed_id) references facility.beds (tenant_id, id);
alter table tasking.handover_patients add constraint handover_patients_read_back_by_fkey
  foreign key (tenant_id, read_back_by) references auth.users (tenant_id, id);

create index handover_patients_patient_idx on tasking.handover_patients (tenant_id, patient_id);
create index handover_patients_encounter_idx on tasking.handover_patients (tenant_id, encounter_id);
create index handover_patients_bed_idx on tasking.handover_patients (tenant_id, bed_id)
  where bed_id is not null;
create index handover_patients_read_back_by_idx on tasking.handover_patients (tenant_id, read_back_by)
  where read_back_by is not null;

comment on table tasking.handover_patients is 'class=phi;scope=tenant;owner=business;fhir=Communication.payload;retention=medical_record;about=One patient in a handover: illness severity, patient summary, action list, situation awareness, synthesis by the receiver.';
comment on column tasking.handover_patients.handover_id is 'class=operational;about=The handover.';
comment on column tasking.handover_patients.patient_id is 'class=phi;about=The patient.';
comment on column tasking.handover_patients.encounter_id is 'class=phi;about=The visit or stay.';
comment on column tasking.handover_patients.bed_id is 'class=operational;about=The bed that the patient lies in.';
comment on column tasking.handover_patients.illness_severity is 'class=phi;about=stable, watcher (may get worse) or unstable.';
comment on column tasking.handover_patients.patient_summary_enc is 'class=phi;enc=1;about=Why the patient is here, what was done, what is planned; encrypted.';
comment on column tasking.handover_patients.action_list is 'class=phi;about=What is to be done: [{"what": .., "by": .., "at": ..}].';
comment on column tasking.handover_patients.situation_awareness_enc is 'class=phi;enc=1;about=What is going on around the patient; encrypted.';
comment on column tasking.handover_patients.contingency_plan is 'class=phi;about=What to do when: [{"when": .., "do": ..}]; at least one for an unstable patient.';
comment on column tasking.handover_patients.synthesis_by_receiver_enc is 'class=phi;enc=1;about=The receivers own words of it, encrypted: the read-back.';
comment on column tasking.handover_patients.read_back_at is 'class=operational;about=When the receiver read back.';
comment on column tasking.handover_patients.read_back_by is 'class=operational;about=The user who read back.';
comment on column tasking.handover_patients.order_no is 'class=operational;about=Order in which the patients are discussed.';
comment on column tasking.handover_patients.vector_clock is 'class=operational;about=For each node, how many of its writes are in the row.';
comment on column tasking.handover_patients.hlc_physical_us is 'class=operational;about=Hybrid logical clock of the last write: microseconds since 1970.';
comment on column tasking.handover_patients.hlc_logical is 'class=operational;about=Hybrid logical clock: counter of writes that share the microsecond.';
comment on column tasking.handover_patients.hlc_node is 'class=operational;about=Hybrid logical clock: the node that wrote.';
comment on column tasking.handover_patients.field_clocks is 'class=operational;about=For each field that was written: hlc (as text), node and seq (count of the node) of its last write.';
select core.comment_standard_columns('tasking.handover_patients');

alter table tasking.handover_patients enable row level security, force row level security;
create policy tenant_isolation on tasking.handover_patients
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger handover_patients_clocks before insert or update on tasking.handover_patients
  for each row execute function tasking.keep_clocks();
create trigger handover_patients_while_open before insert or update on tasking.handover_patients
  for each row execute function tasking.check_handover_is_open();
create trigger handover_patients_touch before update on tasking.handover_patients
  for each row execute function core.update_updated_at_column('row_version');
select audit.track('tasking.handover_patients');

grant select on tasking.handover_patients to business_app;
grant select on tasking.handover_patients to business_ro;
