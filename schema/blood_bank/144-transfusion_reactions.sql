-- blood_bank.transfusion_reactions: haemovigilance. What happened to the patient during or after a transfusion, what was
-- found out and what was reported to the national programme.

create table blood_bank.transfusion_reactions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  reaction_number text not null,
  issue_id uuid not null,
  patient_id uuid not null,
  onset_at timestamptz not null,
  kind text not null,
  severity text not null,
  signs jsonb not null default '{}',
  actions jsonb not null default '{}',
  workup jsonb,
  imputability text,
  hvpi_reported_at timestamptz,
  hvpi_ref text,
  reported_by uuid not null,
  status text not null default 'reported',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint transfusion_reactions_pkey primary key (tenant_id, id),
  constraint transfusion_reactions_reaction_number_key unique (tenant_id, reaction_number),
  constraint transfusion_reactions_kind_check check (
    kind in ('febrile', 'allergic', 'anaphylaxis', 'acute_haemolytic', 'delayed_haemolytic', 'taco', 'trali', 'septic', 'other')
  ),
  constraint transfusion_reactions_severity_check check (
    severity in ('mild', 'moderate', 'severe', 'life_threatening', 'fatal')
  ),
  constraint transfusion_reactions_imputability_check check (
    imputability in ('definite', 'probable', 'possible', 'unlikely', 'excluded', 'not_assessable')
  ),
  constraint transfusion_reactions_status_check check (status in ('reported', 'investigating', 'concluded', 'closed')),
  constraint transfusion_reactions_severe_is_assessed check (
    severity not in ('severe', 'life_threatening', 'fatal') or status in ('reported', 'investigating')
    or imputability is not null
  )
);

alter table blood_bank.transfusion_reactions add constraint transfusion_reactions_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table blood_bank.transfusion_reactions add constraint transfusion_reactions_issue_fkey
  foreign key (tenant_id, issue_id) references blood_bank.blood_issues (tenant_id, id);
alter table blood_bank.transfusion_reactions add constraint transfusion_reactions_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table blood_bank.transfusion_reactions add constraint transfusion_reactions_reported_by_fkey
  foreign key (tenant_id, reported_by) references workforce.staff (tenant_id, id);

create index transfusion_reactions_open_idx on blood_bank.transfusion_reactions (tenant_id, onset_at)
  where status <> 'closed';
create index transfusion_reactions_issue_idx on blood_bank.transfusion_reactions (tenant_id, issue_id);
create index transfusion_reactions_patient_idx on blood_bank.transfusion_reactions (tenant_id, patient_id);
create index transfusion_reactions_reported_by_idx on blood_bank.transfusion_reactions (tenant_id, reported_by);

comment on table blood_bank.transfusion_reactions is 'class=phi;scope=tenant;owner=lab;fhir=AdverseEvent;retention=medical_record;about=Haemovigilance.';
comment on column blood_bank.transfusion_reactions.reaction_number is 'class=operational;about=Number of the report, series transfusion_reaction.';
comment on column blood_bank.transfusion_reactions.issue_id is 'class=phi;about=Issue of the unit.';
comment on column blood_bank.transfusion_reactions.patient_id is 'class=phi;about=The patient.';
comment on column blood_bank.transfusion_reactions.onset_at is 'class=phi;about=When it began.';
comment on column blood_bank.transfusion_reactions.kind is 'class=phi;about=febrile, allergic, anaphylaxis, acute_haemolytic, delayed_haemolytic, taco, trali, septic or other.';
comment on column blood_bank.transfusion_reactions.severity is 'class=phi;about=mild, moderate, severe, life_threatening or fatal.';
comment on column blood_bank.transfusion_reactions.signs is 'class=phi;about=Signs and symptoms.';
comment on column blood_bank.transfusion_reactions.actions is 'class=phi;about=What was done for the patient.';
comment on column blood_bank.transfusion_reactions.workup is 'class=phi;about=Findings of the blood bank: clerical check, repeat grouping, culture.';
comment on column blood_bank.transfusion_reactions.imputability is 'class=phi;about=definite, probable, possible, unlikely, excluded or not_assessable: was it the transfusion?';
comment on column blood_bank.transfusion_reactions.hvpi_reported_at is 'class=operational;about=When it was reported to the haemovigilance programme.';
comment on column blood_bank.transfusion_reactions.hvpi_ref is 'class=operational;about=Reference of that report.';
comment on column blood_bank.transfusion_reactions.reported_by is 'class=operational;about=Member of staff who reported it.';
comment on column blood_bank.transfusion_reactions.status is 'class=phi;about=reported, investigating, concluded or closed.';
select core.comment_standard_columns('blood_bank.transfusion_reactions');

alter table blood_bank.transfusion_reactions enable row level security, force row level security;
create policy tenant_isolation on blood_bank.transfusion_reactions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger transfusion_reactions_touch before update on blood_bank.transfusion_reactions
  for each row execute function core.update_updated_at_column('row_version');
create trigger transfusion_reactions_transition before insert or update of status on blood_bank.transfusion_reactions
  for each row execute function core.enforce_transition('blood_bank.transfusion_reactions', 'status');
create trigger transfusion_reactions_announced after insert on blood_bank.transfusion_reactions
  for each row execute function core.announce_first_state('blood_bank.transfusion_reactions');
select audit.track('blood_bank.transfusion_reactions');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.transfusion_reactions', '', 'reported', false, 'blood.reaction.v1'),
  ('blood_bank.transfusion_reactions', 'reported', 'investigating', false, null),
  ('blood_bank.transfusion_reactions', 'investigating', 'concluded', false, null),
  ('blood_bank.transfusion_reactions', 'concluded', 'closed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on blood_bank.transfusion_reactions to lab_app;
grant select on blood_bank.transfusion_reactions to lab_ro;
