-- blood_bank.donations: one visit of a donor, from the screening to the release of what was given, identified from the
-- needle on by its ISBT 128 donation identification number (DIN).
--
-- The checks here say what can be measured at all; whether a donor may give is decided by the limits of setting
-- bloodbank.donor (Indian defaults) in trigger donations_donor_may_give, so that a refused donor's low haemoglobin can be
-- recorded and another country can set its own limits.

create table blood_bank.donations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  din text,
  donor_id uuid not null,
  kind text not null,
  donation_site text not null,
  camp_name text,
  screened_at timestamptz not null default now(),
  screened_by uuid not null,
  weight_kg numeric(5, 1) not null,
  haemoglobin_g_dl numeric(4, 1) not null,
  systolic smallint not null,
  diastolic smallint not null,
  pulse smallint not null,
  temperature_c numeric(4, 1) not null,
  questionnaire jsonb not null default '{}',
  consent_signature_id uuid,
  eligible boolean not null default false,
  deferral_reason text,
  bag_lot text,
  bag_type text,
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
  constraint donations_din_is_isbt128 check (core.valid_isbt_din(din)),
  constraint donations_haemoglobin_can_be check (haemoglobin_g_dl between 1 and 30),
  constraint donations_weight_can_be check (weight_kg between 10 and 400),
  constraint donations_volume_can_be check (volume_ml between 1 and 1000),
  constraint donations_blood_pressure_can_be check (
    systolic between 30 and 300 and diastolic between 10 and 200 and diastolic < systolic
  ),
  constraint donations_pulse_can_be check (pulse between 20 and 250),
  constraint donations_temperature_can_be check (temperature_c between 30 and 45),
  constraint donations_collected_from_eligible_only check (eligible or status in ('registered', 'deferred')),
  constraint donations_deferral_has_reason check ((status = 'deferred') = (deferral_reason is not null)),
  constraint donations_collecting_is_labelled check (
    status in ('registered', 'screened', 'deferred')
    or num_nulls(din, bag_lot, bag_type, phlebotomist_id, started_at) = 0
  ),
  constraint donations_collected_is_measured check (
    status in ('registered', 'screened', 'deferred', 'collecting') or num_nulls(volume_ml, ended_at) = 0
  ),
  constraint donations_end_after_start check (ended_at >= started_at)
);

alter table blood_bank.donations add constraint donations_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table blood_bank.donations add constraint donations_donor_fkey
  foreign key (tenant_id, donor_id) references blood_bank.donors (tenant_id, id);
alter table blood_bank.donations add constraint donations_consent_signature_fkey
  foreign key (tenant_id, consent_signature_id) references ehr.document_signatures (tenant_id, id);
alter table blood_bank.donations add constraint donations_screened_by_fkey
  foreign key (tenant_id, screened_by) references workforce.staff (tenant_id, id);
alter table blood_bank.donations add constraint donations_phlebotomist_fkey
  foreign key (tenant_id, phlebotomist_id) references workforce.staff (tenant_id, id);

-- a donor is at one needle at a time
create unique index donations_open_key on blood_bank.donations (tenant_id, donor_id)
  where status in ('registered', 'screened', 'collecting');
create index donations_donor_idx on blood_bank.donations (tenant_id, donor_id, screened_at);
create index donations_screened_by_idx on blood_bank.donations (tenant_id, screened_by);
-- what waits for tests, preparation or release
create index donations_to_release_idx on blood_bank.donations (tenant_id, ended_at)
  where status in ('collected', 'quarantined');
create index donations_consent_signature_idx on blood_bank.donations (tenant_id, consent_signature_id)
  where consent_signature_id is not null;
create index donations_phlebotomist_idx on blood_bank.donations (tenant_id, phlebotomist_id)
  where phlebotomist_id is not null;

comment on table blood_bank.donations is 'class=phi;scope=tenant;owner=lab;fhir=Procedure;retention=medical_record;about=One donation, identified by its ISBT-128 DIN.';
comment on column blood_bank.donations.din is 'class=phi;about=ISBT 128 donation identification number of 13 characters; null until the bag is labelled.';
comment on column blood_bank.donations.donor_id is 'class=phi;about=The donor.';
comment on column blood_bank.donations.kind is 'class=phi;about=whole_blood, plateletpheresis, plasmapheresis or double_red_cell.';
comment on column blood_bank.donations.donation_site is 'class=operational;about=Where: centre, mobile or camp.';
comment on column blood_bank.donations.camp_name is 'class=operational;about=Name of the camp.';
comment on column blood_bank.donations.screened_at is 'class=phi;about=When the donor was screened.';
comment on column blood_bank.donations.screened_by is 'class=operational;about=Member of staff who screened.';
comment on column blood_bank.donations.weight_kg is 'class=phi;about=Weight in kg.';
comment on column blood_bank.donations.haemoglobin_g_dl is 'class=phi;about=Haemoglobin in g/dL.';
comment on column blood_bank.donations.systolic is 'class=phi;about=Systolic blood pressure in mmHg.';
comment on column blood_bank.donations.diastolic is 'class=phi;about=Diastolic blood pressure in mmHg.';
comment on column blood_bank.donations.pulse is 'class=phi;about=Beats a minute.';
comment on column blood_bank.donations.temperature_c is 'class=phi;about=Temperature in degrees Celsius.';
comment on column blood_bank.donations.questionnaire is 'class=phi;about=Answers of the donor, by question.';
comment on column blood_bank.donations.consent_signature_id is 'class=phi;about=Signature under the consent of the donor.';
comment on column blood_bank.donations.eligible is 'class=phi;about=The screening found nothing against this donation.';
comment on column blood_bank.donations.deferral_reason is 'class=phi;about=Rule or answer that the donor was deferred for; null unless status is deferred.';
comment on column blood_bank.donations.bag_lot is 'class=operational;about=Lot of the blood bag.';
comment on column blood_bank.donations.bag_type is 'class=operational;about=Type of bag: single, double, triple, quadruple_sagm, apheresis_kit.';
comment on column blood_bank.donations.volume_ml is 'class=phi;about=Volume that was collected in ml.';
comment on column blood_bank.donations.started_at is 'class=phi;about=Needle in.';
comment on column blood_bank.donations.ended_at is 'class=phi;about=Needle out; shelf lives count from here.';
comment on column blood_bank.donations.phlebotomist_id is 'class=operational;about=Member of staff who collected.';
comment on column blood_bank.donations.adverse_reaction is 'class=phi;about=What happened to the donor: kind, severity, treatment.';
comment on column blood_bank.donations.status is 'class=phi;about=registered, screened, deferred, collecting, collected, incomplete, quarantined (components wait for the tests), released or discarded.';
select core.comment_standard_columns('blood_bank.donations');

alter table blood_bank.donations enable row level security, force row level security;
create policy tenant_isolation on blood_bank.donations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger donations_donor_may_give before insert or update on blood_bank.donations
  for each row execute function blood_bank.check_donation();
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
  ('blood_bank.donations', 'collected', 'discarded', false, null),
  ('blood_bank.donations', 'quarantined', 'released', false, null),
  ('blood_bank.donations', 'quarantined', 'discarded', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on blood_bank.donations to lab_app;
grant select on blood_bank.donations to lab_ro;
