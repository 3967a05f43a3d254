-- blood_bank.donations: One donation, identified by its ISBT-128 DIN.
-- RULE to build: donor age 18-65, first-time <= 60 (trigger)
-- RULE to build: interval >= 90 d male / 120 d female since last whole blood (trigger)
-- NOTE: Thresholds live in core.system_settings (bloodbank.*) with these as the Indian defaults; the trigger reads them.

create table blood_bank.donations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  din text not null,
  donor_id uuid not null,
  kind text not null,
  donation_site text not null,
  camp_name text,
  screened_at timestamptz not null,
  weight_kg numeric(5, 1) not null,
  haemoglobin_g_dl numeric(4, 1) not null,
  systolic smallint not null,
  diastolic smallint not null,
  pulse smallint not null,
  temperature_c numeric(4, 1) not null,
  questionnaire jsonb not null default '{}',
  consent_signature_id uuid,
  eligible boolean not null default false,
  bag_lot text not null,
  bag_type text not null,
  volume_ml smallint,
  started_at timestamptz,
  ended_at timestamptz,
  phlebotomist_id uuid,
  adverse_reaction jsonb,
  status text not null default 'registered',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint donations_pkey primary key (tenant_id, id),
  constraint donations_din_key unique (tenant_id, din),
  constraint donations_kind_check check (
    kind in ('whole_blood', 'plateletpheresis', 'plasmapheresis', 'double_red_cell')
  ),
  constraint donations_status_check check (
    status in ('registered', 'screened', 'deferred', 'collecting', 'collected', 'incomplete', 'quarantined', 'released', 'discarded')
  ),
  constraint donations_din_rule check (din ~ '^[A-NP-Z1-9][A-Z0-9]{4}[0-9]{8}$' and core.valid_isbt_din(din)),
  constraint donations_haemoglobin_g_dl_rule check (haemoglobin_g_dl >= 12.5),
  constraint donations_weight_kg_rule check (weight_kg >= 45),
  constraint donations_volume_ml_range check (
    volume_ml is null or (volume_ml between 1 and 350) or (volume_ml <= 450 and weight_kg > 55)
  ),
  constraint donations_systolic_range check (systolic between 100 and 140 and diastolic between 60 and 90),
  constraint donations_eligible_rule check (eligible or status in ('registered', 'deferred'))
);

alter table blood_bank.donations add constraint donations_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table blood_bank.donations add constraint donations_donor_fkey
  foreign key (tenant_id, donor_id) references blood_bank.donors (tenant_id, id);
alter table blood_bank.donations add constraint donations_consent_signature_fkey
  foreign key (tenant_id, consent_signature_id) references ehr.document_signatures (tenant_id, id);
alter table blood_bank.donations add constraint donations_phlebotomist_fkey
  foreign key (tenant_id, phlebotomist_id) references workforce.staff (tenant_id, id);

create index donations_donor_idx on blood_bank.donations (tenant_id, donor_id);
create index donations_consent_signature_idx on blood_bank.donations (tenant_id, consent_signature_id)
  where consent_signature_id is not null;
create index donations_phlebotomist_idx on blood_bank.donations (tenant_id, phlebotomist_id)
  where phlebotomist_id is not null;

comment on table blood_bank.donations is 'class=phi;scope=tenant;owner=lab;fhir=Procedure;retention=medical_record;about=One donation, identified by its ISBT-128 DIN.';
comment on column blood_bank.donations.din is 'class=phi;about=?';
comment on column blood_bank.donations.donor_id is 'class=phi;about=?';
comment on column blood_bank.donations.kind is 'class=phi;about=?';
comment on column blood_bank.donations.donation_site is 'class=phi;about=?';
comment on column blood_bank.donations.camp_name is 'class=phi;about=?';
comment on column blood_bank.donations.screened_at is 'class=phi;about=?';
comment on column blood_bank.donations.weight_kg is 'class=phi;about=?';
comment on column blood_bank.donations.haemoglobin_g_dl is 'class=phi;about=?';
comment on column blood_bank.donations.systolic is 'class=phi;about=?';
comment on column blood_bank.donations.diastolic is 'class=phi;about=?';
comment on column blood_bank.donations.pulse is 'class=phi;about=?';
comment on column blood_bank.donations.temperature_c is 'class=phi;about=?';
comment on column blood_bank.donations.questionnaire is 'class=phi;about=?';
comment on column blood_bank.donations.consent_signature_id is 'class=phi;about=?';
comment on column blood_bank.donations.eligible is 'class=phi;about=?';
comment on column blood_bank.donations.bag_lot is 'class=phi;about=?';
comment on column blood_bank.donations.bag_type is 'class=phi;about=?';
comment on column blood_bank.donations.volume_ml is 'class=phi;about=?';
comment on column blood_bank.donations.started_at is 'class=phi;about=?';
comment on column blood_bank.donations.ended_at is 'class=phi;about=?';
comment on column blood_bank.donations.phlebotomist_id is 'class=phi;about=?';
comment on column blood_bank.donations.adverse_reaction is 'class=phi;about=?';
comment on column blood_bank.donations.status is 'class=phi;about=?';
select core.comment_standard_columns('blood_bank.donations');

alter table blood_bank.donations enable row level security;
alter table blood_bank.donations force row level security;
create policy tenant_isolation on blood_bank.donations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger donations_touch before update on blood_bank.donations
  for each row execute function core.update_updated_at_column('row_version');
create trigger donations_transition before insert or update of status on blood_bank.donations
  for each row execute function core.enforce_transition('blood_bank.donations', 'status');
select audit.track('blood_bank.donations');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.donations', '', 'registered', false, null),
  ('blood_bank.donations', 'registered', 'screened', false, null),
  ('blood_bank.donations', 'registered', 'deferred', false, null),
  ('blood_bank.donations', 'screened', 'collecting', false, null),
  ('blood_bank.donations', 'screened', 'deferred', false, null),
  ('blood_bank.donations', 'collecting', 'collected', false, null),
  ('blood_bank.donations', 'collecting', 'incomplete', false, null),
  ('blood_bank.donations', 'collected', 'quarantined', false, null),
  ('blood_bank.donations', 'quarantined', 'released', false, null),
  ('blood_bank.donations', 'quarantined', 'discarded', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on blood_bank.donations to lab_app;
grant select on blood_bank.donations to lab_ro;
