-- Procedures and surgeries, with theatre times and the WHO surgical safety checklist: sign-in before anaesthesia, time-out
-- before incision, sign-out before the patient leaves. Surgery needs an informed consent to begin and a count to end.

create table clinical.procedures (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  procedure_number text not null,
  patient_id uuid not null,
  encounter_id uuid not null,
  service_request_id uuid,
  code_system text not null,
  code text not null,
  display text not null,
  kind text not null,
  laterality text not null default 'na',
  asa_class smallint,
  anaesthesia_type text,
  primary_surgeon_id uuid,
  anaesthetist_id uuid,
  consent_id uuid,
  sign_in_at timestamptz,
  time_out_at timestamptz,
  sign_out_at timestamptz,
  checklist jsonb,
  patient_in_at timestamptz,
  incision_at timestamptz,
  closure_at timestamptz,
  patient_out_at timestamptz,
  blood_loss_ml integer,
  complications text,
  counts_correct boolean,
  status text not null default 'preparation',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint procedures_pkey primary key (tenant_id, id),
  constraint procedures_procedure_number_key unique (tenant_id, procedure_number),
  constraint procedures_kind_check check (kind in ('surgery', 'bedside', 'diagnostic', 'therapy')),
  constraint procedures_laterality_check check (laterality in ('left', 'right', 'bilateral', 'na')),
  constraint procedures_status_check check (
    status in ('preparation', 'in_progress', 'not_done', 'completed', 'stopped', 'entered_in_error')
  ),
  constraint procedures_time_out_after_sign_in check (
    time_out_at is null or (sign_in_at is not null and time_out_at >= sign_in_at)
  ),
  constraint procedures_sign_out_after_time_out check (
    sign_out_at is null or (time_out_at is not null and sign_out_at >= time_out_at)
  ),
  constraint procedures_incision_after_time_out check (
    incision_at is null or (time_out_at is not null and incision_at >= time_out_at)
  ),
  constraint procedures_closure_after_incision check (
    closure_at is null or (incision_at is not null and closure_at >= incision_at)
  ),
  constraint procedures_surgery_has_consent check (
    kind <> 'surgery' or status in ('preparation', 'not_done') or consent_id is not null
  ),
  constraint procedures_asa_class_1_to_6 check (asa_class between 1 and 6),
  constraint procedures_completed_surgery_signed_out check (
    status <> 'completed' or kind <> 'surgery' or (sign_out_at is not null and counts_correct is not null)
  ),
  constraint procedures_blood_loss_not_negative check (blood_loss_ml >= 0)
);

alter table clinical.procedures add constraint procedures_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table clinical.procedures add constraint procedures_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table clinical.procedures add constraint procedures_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table clinical.procedures add constraint procedures_service_request_fkey
  foreign key (tenant_id, service_request_id) references clinical.service_requests (tenant_id, id);
alter table clinical.procedures add constraint procedures_primary_surgeon_fkey
  foreign key (tenant_id, primary_surgeon_id) references workforce.doctors (tenant_id, id);
alter table clinical.procedures add constraint procedures_anaesthetist_fkey
  foreign key (tenant_id, anaesthetist_id) references workforce.doctors (tenant_id, id);
alter table clinical.procedures add constraint procedures_consent_fkey
  foreign key (tenant_id, consent_id) references compliance.consents (tenant_id, id);

create index procedures_open_idx on clinical.procedures (tenant_id, primary_surgeon_id)
  where status in ('preparation', 'in_progress');
create index procedures_patient_idx on clinical.procedures (tenant_id, patient_id);
create index procedures_encounter_idx on clinical.procedures (tenant_id, encounter_id);
create index procedures_service_request_idx on clinical.procedures (tenant_id, service_request_id)
  where service_request_id is not null;
create index procedures_primary_surgeon_idx on clinical.procedures (tenant_id, primary_surgeon_id)
  where primary_surgeon_id is not null;
create index procedures_anaesthetist_idx on clinical.procedures (tenant_id, anaesthetist_id)
  where anaesthetist_id is not null;
create index procedures_consent_idx on clinical.procedures (tenant_id, consent_id)
  where consent_id is not null;

comment on table clinical.procedures is 'class=phi;scope=tenant;owner=clinical;fhir=Procedure;retention=medical_record;about=Procedures and surgeries, with theatre times and the WHO checklist.';
comment on column clinical.procedures.procedure_number is 'class=operational;about=Number that people read, series procedure.';
comment on column clinical.procedures.patient_id is 'class=phi;about=The patient.';
comment on column clinical.procedures.encounter_id is 'class=phi;about=The encounter.';
comment on column clinical.procedures.service_request_id is 'class=operational;about=The order that it fulfils.';
comment on column clinical.procedures.code_system is 'class=phi;about=Code system of the code, as a URL.';
comment on column clinical.procedures.code is 'class=phi;about=Code of the procedure.';
comment on column clinical.procedures.display is 'class=phi;about=The procedure in words.';
comment on column clinical.procedures.kind is 'class=phi;about=surgery, bedside, diagnostic or therapy.';
comment on column clinical.procedures.laterality is 'class=phi;about=left, right, bilateral or na.';
comment on column clinical.procedures.asa_class is 'class=phi;about=ASA physical status, 1 to 6.';
comment on column clinical.procedures.anaesthesia_type is 'class=phi;about=Kind of anaesthesia.';
comment on column clinical.procedures.primary_surgeon_id is 'class=operational;about=Doctor who operates.';
comment on column clinical.procedures.anaesthetist_id is 'class=operational;about=Doctor who gives anaesthesia.';
comment on column clinical.procedures.consent_id is 'class=phi;about=The informed consent.';
comment on column clinical.procedures.sign_in_at is 'class=operational;about=WHO checklist: sign-in, before anaesthesia.';
comment on column clinical.procedures.time_out_at is 'class=operational;about=WHO checklist: time-out, before incision.';
comment on column clinical.procedures.sign_out_at is 'class=operational;about=WHO checklist: sign-out, before the patient leaves.';
comment on column clinical.procedures.checklist is 'class=phi;about=Answers of the checklist by step: sign_in, time_out, sign_out.';
comment on column clinical.procedures.patient_in_at is 'class=operational;about=Patient in theatre.';
comment on column clinical.procedures.incision_at is 'class=operational;about=Incision.';
comment on column clinical.procedures.closure_at is 'class=operational;about=Closure.';
comment on column clinical.procedures.patient_out_at is 'class=operational;about=Patient out of theatre.';
comment on column clinical.procedures.blood_loss_ml is 'class=phi;about=Blood loss in millilitres.';
comment on column clinical.procedures.complications is 'class=phi;about=Complications.';
comment on column clinical.procedures.counts_correct is 'class=phi;about=True when swabs, needles and instruments were counted and none was missing.';
comment on column clinical.procedures.status is 'class=operational;about=preparation, in_progress, completed, stopped, not_done or entered_in_error.';
select core.comment_standard_columns('clinical.procedures');

alter table clinical.procedures enable row level security, force row level security;
create policy tenant_isolation on clinical.procedures
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger procedures_touch before update on clinical.procedures
  for each row execute function core.update_updated_at_column('row_version');
create trigger procedures_transition before insert or update of status on clinical.procedures
  for each row execute function core.enforce_transition('clinical.procedures', 'status');
create trigger procedures_unchanged_once_ended before update on clinical.procedures
  for each row when (old.status not in ('preparation', 'in_progress'))
  execute function clinical.keep_content('complications');
create trigger procedures_patient_of_encounter before insert or update of patient_id, encounter_id on clinical.procedures
  for each row execute function clinical.check_patient_of_encounter();
create trigger procedures_no_aadhaar before insert or update of display, complications on clinical.procedures
  for each row execute function core.reject_aadhaar_like('display', 'complications');
select audit.track('clinical.procedures');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.procedures', '', 'preparation', false, null),
  ('clinical.procedures', 'preparation', 'in_progress', false, null),
  ('clinical.procedures', 'preparation', 'not_done', true, null),
  ('clinical.procedures', 'in_progress', 'completed', false, null),
  ('clinical.procedures', 'in_progress', 'stopped', true, null),
  ('clinical.procedures', 'completed', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- the checklist, the theatre times and the status belong to the operations
grant select, insert on clinical.procedures to clinical_app;
grant update (
  laterality, asa_class, anaesthesia_type, primary_surgeon_id, anaesthetist_id, consent_id, blood_loss_ml, complications,
  row_version
) on clinical.procedures to clinical_app;
grant select on clinical.procedures to clinical_ro;
