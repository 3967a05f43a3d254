-- cds.alerts: Every alert that fired, shown or suppressed.

create table cds.alerts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  rule_id uuid,
  interaction_id uuid,
  patient_id uuid not null,
  encounter_id uuid,
  subject_type text not null,
  subject_id uuid not null,
  category text not null,
  severity text not null,
  message text not null,
  evidence jsonb not null default '{}',
  fired_at timestamptz not null,
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
  constraint alerts_dedupe_key_key unique (tenant_id, dedupe_key),
  constraint alerts_severity_check check (severity in ('info', 'warning', 'hard_stop')),
  constraint alerts_status_check check (
    status in ('fired', 'acknowledged', 'accepted', 'overridden', 'suppressed', 'expired')
  ),
  constraint alerts_num_nonnulls_rule check (num_nonnulls(rule_id,interaction_id) >= 1),
  constraint alerts_responded_at_rule check (responded_at >= fired_at)
);

alter table cds.alerts add constraint alerts_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table cds.alerts add constraint alerts_rule_fkey
  foreign key (rule_id) references cds.rules (id);
alter table cds.alerts add constraint alerts_interaction_fkey
  foreign key (interaction_id) references cds.drug_interactions (id);
alter table cds.alerts add constraint alerts_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table cds.alerts add constraint alerts_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table cds.alerts add constraint alerts_shown_to_fkey
  foreign key (tenant_id, shown_to) references auth.users (tenant_id, id);

create index alerts_rule_idx on cds.alerts (rule_id, tenant_id)
  where rule_id is not null;
comment on index cds.alerts_rule_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index alerts_interaction_idx on cds.alerts (interaction_id, tenant_id)
  where interaction_id is not null;
comment on index cds.alerts_interaction_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index alerts_patient_idx on cds.alerts (tenant_id, patient_id);
create index alerts_encounter_idx on cds.alerts (tenant_id, encounter_id)
  where encounter_id is not null;
create index alerts_shown_to_idx on cds.alerts (tenant_id, shown_to)
  where shown_to is not null;

comment on table cds.alerts is 'class=phi;scope=tenant;owner=cds;fhir=DetectedIssue;retention=medical_record;about=Every alert that fired, shown or suppressed.';
comment on column cds.alerts.rule_id is 'class=phi;about=?';
comment on column cds.alerts.interaction_id is 'class=phi;about=?';
comment on column cds.alerts.patient_id is 'class=phi;about=The patient.';
comment on column cds.alerts.encounter_id is 'class=phi;about=The encounter that it belongs to.';
comment on column cds.alerts.subject_type is 'class=phi;about=?';
comment on column cds.alerts.subject_id is 'class=phi;about=?';
comment on column cds.alerts.category is 'class=phi;about=?';
comment on column cds.alerts.severity is 'class=phi;about=?';
comment on column cds.alerts.message is 'class=phi;about=?';
comment on column cds.alerts.evidence is 'class=phi;about=?';
comment on column cds.alerts.fired_at is 'class=phi;about=?';
comment on column cds.alerts.shown_to is 'class=phi;about=?';
comment on column cds.alerts.suppressed_reason is 'class=phi;about=?';
comment on column cds.alerts.responded_at is 'class=phi;about=?';
comment on column cds.alerts.dedupe_key is 'class=phi;about=?';
comment on column cds.alerts.status is 'class=phi;about=?';
select core.comment_standard_columns('cds.alerts');

alter table cds.alerts enable row level security;
alter table cds.alerts force row level security;
create policy tenant_isolation on cds.alerts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger alerts_touch before update on cds.alerts
  for each row execute function core.update_updated_at_column('row_version');
create trigger alerts_rule_visible before insert or update of rule_id on cds.alerts
  for each row execute function core.check_shared_reference('rule_id', 'cds.rules');
create trigger alerts_transition before insert or update of status on cds.alerts
  for each row execute function core.enforce_transition('cds.alerts', 'status');
select audit.track('cds.alerts');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('cds.alerts', '', 'fired', false, null),
  ('cds.alerts', 'fired', 'acknowledged', false, null),
  ('cds.alerts', 'fired', 'accepted', false, null),
  ('cds.alerts', 'fired', 'overridden', false, null),
  ('cds.alerts', 'fired', 'suppressed', false, null),
  ('cds.alerts', 'fired', 'expired', false, null),
  ('cds.alerts', 'acknowledged', 'accepted', false, null),
  ('cds.alerts', 'acknowledged', 'overridden', false, null),
  ('cds.alerts', 'acknowledged', 'expired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on cds.alerts to cds_app;
grant select on cds.alerts to cds_ro;
