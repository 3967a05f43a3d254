-- One medicine of a prescription: dose, route, timing and quantity. After signing only status, stop and the quantity
-- dispensed change. Never more is dispensed than quantity for each of 1 + refills fills.

create table medication.prescription_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  prescription_id uuid not null,
  drug_id uuid not null,
  substituted_for_id uuid,
  dose_value numeric not null,
  dose_unit text not null,
  route text not null,
  frequency_code text not null,
  timing jsonb not null default '{}',
  duration_days smallint,
  quantity numeric(14, 3) not null,
  quantity_dispensed numeric(14, 3) not null default 0,
  refills smallint not null default 0,
  is_prn boolean not null default false,
  prn_reason text,
  start_at timestamptz not null default now(),
  stop_at timestamptz,
  instructions text,
  no_substitution boolean not null default false,
  indication text,
  stop_reason text,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint prescription_items_pkey primary key (tenant_id, id),
  constraint prescription_items_status_check check (
    status in ('draft', 'active', 'cancelled', 'on_hold', 'completed', 'stopped', 'entered_in_error')
  ),
  constraint prescription_items_dose_positive check (dose_value > 0),
  constraint prescription_items_quantity_positive check (quantity > 0),
  constraint prescription_items_refills_up_to_24 check (refills between 0 and 24),
  constraint prescription_items_not_over_dispensed check (
    quantity_dispensed between 0 and quantity * (1 + refills)
  ),
  constraint prescription_items_duration_up_to_2_years check (duration_days between 1 and 731),
  constraint prescription_items_prn_has_reason check (not is_prn or prn_reason is not null),
  constraint prescription_items_timing_is_object check (jsonb_typeof(timing) = 'object'),
  constraint prescription_items_stops_after_start check (stop_at >= start_at),
  constraint prescription_items_stopped_has_reason check (
    status not in ('stopped', 'entered_in_error', 'on_hold') or stop_reason is not null
  ),
  constraint prescription_items_finite check (dose_value not in ('NaN', 'Infinity', '-Infinity') and quantity <> 'NaN')
);

alter table medication.prescription_items add constraint prescription_items_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table medication.prescription_items add constraint prescription_items_prescription_fkey
  foreign key (tenant_id, prescription_id) references medication.prescriptions (tenant_id, id);
alter table medication.prescription_items add constraint prescription_items_drug_fkey
  foreign key (drug_id) references medication.drugs (id);
alter table medication.prescription_items add constraint prescription_items_substituted_for_fkey
  foreign key (substituted_for_id) references medication.drugs (id);

create unique index prescription_items_drug_once
  on medication.prescription_items (tenant_id, prescription_id, drug_id, start_at)
  where status <> 'cancelled';
create index prescription_items_prescription_idx on medication.prescription_items (tenant_id, prescription_id);
create index prescription_items_drug_idx on medication.prescription_items (drug_id, tenant_id);
comment on index medication.prescription_items_drug_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index prescription_items_substituted_for_idx on medication.prescription_items (substituted_for_id, tenant_id)
  where substituted_for_id is not null;
comment on index medication.prescription_items_substituted_for_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table medication.prescription_items is 'class=phi;scope=tenant;owner=medication;fhir=MedicationRequest;retention=medical_record;about=One medicine with dose, route, timing and quantity.';
comment on column medication.prescription_items.prescription_id is 'class=phi;about=The prescription that it is a line of.';
comment on column medication.prescription_items.drug_id is 'class=phi;about=What is prescribed.';
comment on column medication.prescription_items.substituted_for_id is 'class=phi;about=Drug that the doctor wanted first and replaced by this one.';
comment on column medication.prescription_items.dose_value is 'class=phi;about=Amount of one dose, in dose_unit.';
comment on column medication.prescription_items.dose_unit is 'class=phi;about=Unit of the dose: of weight or volume in UCUM (mg, ml, [IU]) or a dose form (tablet, capsule, puff, drop).';
comment on column medication.prescription_items.route is 'class=phi;about=oral, iv, im, sc, topical, inhaled, rectal, ...';
comment on column medication.prescription_items.frequency_code is 'class=phi;about=How often: OD, BD, TDS, QID, HS, STAT, Q4H to Q24H, WEEKLY, PRN, or a code of setting medication.frequencies.';
comment on column medication.prescription_items.timing is 'class=phi;about=Own plan in place of the code''s: {times: ["08:00"], every_days: 1}, {every_hours: 8}, {once: true}; max_per_day for as-needed doses. Empty: the code decides.';
comment on column medication.prescription_items.duration_days is 'class=phi;about=Length of the course in days; null: until stopped.';
comment on column medication.prescription_items.quantity is 'class=phi;about=Quantity of one fill, in the base unit of the stock item.';
comment on column medication.prescription_items.quantity_dispensed is 'class=phi;about=Dispensed so far over all fills, less what came back.';
comment on column medication.prescription_items.refills is 'class=phi;about=How many further fills are allowed, 0 to 24.';
comment on column medication.prescription_items.is_prn is 'class=phi;about=Only when needed; such doses are not scheduled.';
comment on column medication.prescription_items.prn_reason is 'class=phi;about=What it may be given for, needed when is_prn.';
comment on column medication.prescription_items.start_at is 'class=phi;about=First moment at which it may be taken.';
comment on column medication.prescription_items.stop_at is 'class=phi;about=When it ends or was ended.';
comment on column medication.prescription_items.instructions is 'class=phi;about=Words for the patient, such as after food.';
comment on column medication.prescription_items.no_substitution is 'class=phi;about=The pharmacy must give this drug and no equivalent.';
comment on column medication.prescription_items.indication is 'class=phi;about=What it is for.';
comment on column medication.prescription_items.stop_reason is 'class=phi;about=Why it was held, stopped or entered in error.';
comment on column medication.prescription_items.status is 'class=phi;about=draft, active, on_hold, completed, stopped, cancelled or entered_in_error.';
select core.comment_standard_columns('medication.prescription_items');

alter table medication.prescription_items enable row level security, force row level security;
create policy tenant_isolation on medication.prescription_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger prescription_items_telemedicine before insert or update of drug_id on medication.prescription_items
  for each row execute function medication.check_telemedicine_list();
create trigger prescription_items_touch before update on medication.prescription_items
  for each row execute function core.update_updated_at_column('row_version');
create trigger prescription_items_transition before insert or update of status on medication.prescription_items
  for each row execute function core.enforce_transition('medication.prescription_items', 'status');
select audit.track('medication.prescription_items');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('medication.prescription_items', '', 'draft', false, null),
  ('medication.prescription_items', 'draft', 'active', false, null),
  ('medication.prescription_items', 'draft', 'cancelled', false, null),
  ('medication.prescription_items', 'active', 'on_hold', true, null),
  ('medication.prescription_items', 'active', 'completed', false, null),
  ('medication.prescription_items', 'active', 'stopped', true, null),
  ('medication.prescription_items', 'on_hold', 'active', false, null),
  ('medication.prescription_items', 'on_hold', 'stopped', true, null),
  ('medication.prescription_items', 'stopped', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- only operations write
grant select on medication.prescription_items to medication_app, medication_ro;
