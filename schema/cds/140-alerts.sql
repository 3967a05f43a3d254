-- cds.alerts: every alert that fired, shown or suppressed. One live alert a risk and subject: dedupe_key decides, so that a
-- repeated check neither nags nor multiplies. An alert that was accepted or no longer applies may fire again.
--
-- An open hard stop (fired or acknowledged) blocks its subject until it is overridden, or until a new check finds it gone.

create table cds.alerts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  rule_id uuid,
  interaction_id uuid,
  dose_limit_id uuid,
  allergy_id uuid,
  patient_id uuid not null,
  encounter_id uuid,
  subject_type text not null,
  subject_id uuid not null,
  category text not null,
  severity text not null,
  message text not null,
  evidence jsonb not null default '{}',
  fired_at timestamptz not null default now(),
  shown_to uuid,
  suppressed_reason text,
  responded_at timestamptz,
  dedupe_key text not null,
  status text not null default 'fired',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint alerts_pkey primary key (tenant_id, id),
  constraint alerts_severity_check check (severity in ('info', 'warning', 'hard_stop')),
  constraint alerts_status_check check (
    status in ('fired', 'acknowledged', 'accepted', 'overridden', 'suppressed', 'expired')
  ),
  constraint alerts_category_check check (
    category in (
      'interaction', 'allergy', 'duplicate', 'dose', 'renal', 'pregnancy', 'early_warning', 'sepsis', 'stewardship',
      'preventive', 'stg'
    )
  ),
  constraint alerts_name_their_source check (
    num_nonnulls(rule_id, interaction_id, dose_limit_id, allergy_id) >= 1 or category in ('duplicate', 'dose')
  ),
  constraint alerts_suppressed_with_reason check (status <> 'suppressed' or suppressed_reason is not null),
  constraint alerts_answered_after_firing check (responded_at >= fired_at)
);

alter table cds.alerts add constraint alerts_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table cds.alerts add constraint alerts_rule_fkey
  foreign key (rule_id) references cds.rules (id);
alter table cds.alerts add constraint alerts_interaction_fkey
  foreign key (interaction_id) references cds.drug_interactions (id);
alter table cds.alerts add constraint alerts_dose_limit_fkey
  foreign key (dose_limit_id) references cds.dose_limits (id);
alter table cds.alerts add constraint alerts_allergy_fkey
  foreign key (tenant_id, allergy_id) references clinical.allergies (tenant_id, id);
alter table cds.alerts add constraint alerts_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table cds.alerts add constraint alerts_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table cds.alerts add constraint alerts_shown_to_fkey
  foreign key (tenant_id, shown_to) references auth.users (tenant_id, id);

create unique index alerts_one_live_per_key on cds.alerts (tenant_id, dedupe_key)
  where status not in ('accepted', 'expired');
-- what still waits for an answer, of an order and of a patient
create index alerts_open_of_subject_idx on cds.alerts (tenant_id, subject_type, subject_id)
  where status in ('fired', 'acknowledged');
create index alerts_open_of_patient_idx on cds.alerts (tenant_id, patient_id, fired_at)
  where status in ('fired', 'acknowledged');
create index alerts_rule_idx on cds.alerts (rule_id, tenant_id)
  where rule_id is not null;
comment on index cds.alerts_rule_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index alerts_interaction_idx on cds.alerts (interaction_id, tenant_id)
  where interaction_id is not null;
comment on index cds.alerts_interaction_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index alerts_dose_limit_idx on cds.alerts (dose_limit_id, tenant_id)
  where dose_limit_id is not null;
comment on index cds.alerts_dose_limit_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index alerts_allergy_idx on cds.alerts (tenant_id, allergy_id)
  where allergy_id is not null;
create index alerts_patient_idx on cds.alerts (tenant_id, patient_id);
create index alerts_encounter_idx on cds.alerts (tenant_id, encounter_id)
  where encounter_id is not null;
create index alerts_shown_to_idx on cds.alerts (tenant_id, shown_to)
  where shown_to is not null;

comment on table cds.alerts is 'class=phi;scope=tenant;owner=cds;fhir=DetectedIssue;retention=medical_record;about=Every alert that fired, shown or suppressed.';
comment on column cds.alerts.rule_id is 'class=operational;about=The rule that fired.';
comment on column cds.alerts.interaction_id is 'class=phi;about=The pair that clashes.';
comment on column cds.alerts.dose_limit_id is 'class=phi;about=The limit that the dose exceeds.';
comment on column cds.alerts.allergy_id is 'class=phi;about=The allergy that the drug meets.';
comment on column cds.alerts.patient_id is 'class=phi;about=The patient.';
comment on column cds.alerts.encounter_id is 'class=operational;about=The encounter of the order.';
comment on column cds.alerts.subject_type is 'class=operational;about=What it is about: prescription, service_request, ...';
comment on column cds.alerts.subject_id is 'class=operational;about=Id of what it is about.';
comment on column cds.alerts.category is 'class=phi;about=Kind of risk, as of cds.rules.';
comment on column cds.alerts.severity is 'class=phi;about=info, warning or hard_stop.';
comment on column cds.alerts.message is 'class=phi;about=What the user reads.';
comment on column cds.alerts.evidence is 'class=phi;about=Facts that made it fire: ids, codes and numbers.';
comment on column cds.alerts.fired_at is 'class=operational;about=When it fired.';
comment on column cds.alerts.shown_to is 'class=operational;about=The user who saw it.';
comment on column cds.alerts.suppressed_reason is 'class=operational;about=Why it was not shown.';
comment on column cds.alerts.responded_at is 'class=operational;about=When somebody answered it.';
comment on column cds.alerts.dedupe_key is 'class=phi;about=Risk and subject; one live alert has it.';
comment on column cds.alerts.status is 'class=operational;about=fired, acknowledged, accepted (the order was changed), overridden, suppressed or expired (no longer applies).';
select core.comment_standard_columns('cds.alerts');

alter table cds.alerts enable row level security, force row level security;
create policy tenant_isolation on cds.alerts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger alerts_touch before update on cds.alerts
  for each row execute function core.update_updated_at_column('row_version');
create trigger alerts_rule_visible before insert or update of rule_id on cds.alerts
  for each row execute function core.check_shared_reference('rule_id', 'cds.rules');
create trigger alerts_first_state after insert on cds.alerts
  for each row execute function core.announce_first_state('cds.alerts');
create trigger alerts_transition before insert or update of status on cds.alerts
  for each row execute function core.enforce_transition('cds.alerts', 'status');
select audit.track('cds.alerts');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('cds.alerts', '', 'fired', false, 'alert.fired.v1'),
  ('cds.alerts', '', 'suppressed', false, null),
  ('cds.alerts', 'fired', 'acknowledged', false, null),
  ('cds.alerts', 'fired', 'accepted', false, null),
  ('cds.alerts', 'fired', 'overridden', false, 'alert.overridden.v1'),
  ('cds.alerts', 'fired', 'suppressed', false, null),
  ('cds.alerts', 'fired', 'expired', false, null),
  ('cds.alerts', 'acknowledged', 'accepted', false, null),
  ('cds.alerts', 'acknowledged', 'overridden', false, 'alert.overridden.v1'),
  ('cds.alerts', 'acknowledged', 'expired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on cds.alerts to cds_app, cds_ro;
