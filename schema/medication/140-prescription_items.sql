-- medication.prescription_items: One medicine with dose, route, timing and quantity.
-- RULE to build: teleconsult context => drug list is not prohibited (trigger IM402)
-- RULE to build: unresolved hard-stop CDS alert blocks activation (trigger IM401)

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
  refills smallint not null,
  is_prn boolean not null default false,
  prn_reason text,
  start_at timestamptz not null,
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
  constraint prescription_items_prescription_drug_key unique (tenant_id, prescription_id, drug_id, start_at),
  constraint prescription_items_status_check check (
    status in ('draft', 'active', 'cancelled', 'on_hold', 'completed', 'stopped', 'entered_in_error')
  ),
  constraint prescription_items_dose_value_rule check (dose_value > 0),
  constraint prescription_items_quantity_rule check (quantity > 0),
  constraint prescription_items_quantity_dispensed_range check (quantity_dispensed between 0 and quantity),
  constraint prescription_items_is_prn_rule check (not is_prn or prn_reason is not null),
  constraint prescription_items_stop_at_rule check (stop_at >= start_at)
);

alter table medication.prescription_items add constraint prescription_items_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table medication.prescription_items add constraint prescription_items_prescription_fkey
  foreign key (tenant_id, prescription_id) references medication.prescriptions (tenant_id, id);
alter table medication.prescription_items add constraint prescription_items_drug_fkey
  foreign key (drug_id) references medication.drugs (id);
alter table medication.prescription_items add constraint prescription_items_substituted_for_fkey
  foreign key (substituted_for_id) references medication.drugs (id);

create index prescription_items_drug_idx on medication.prescription_items (drug_id, tenant_id);
comment on index medication.prescription_items_drug_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index prescription_items_substituted_for_idx on medication.prescription_items (substituted_for_id, tenant_id)
  where substituted_for_id is not null;
comment on index medication.prescription_items_substituted_for_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table medication.prescription_items is 'class=phi;scope=tenant;owner=medication;fhir=MedicationRequest;retention=medical_record;about=One medicine with dose, route, timing and quantity.';
comment on column medication.prescription_items.prescription_id is 'class=phi;about=?';
comment on column medication.prescription_items.drug_id is 'class=phi;about=?';
comment on column medication.prescription_items.substituted_for_id is 'class=phi;about=?';
comment on column medication.prescription_items.dose_value is 'class=phi;about=?';
comment on column medication.prescription_items.dose_unit is 'class=phi;about=?';
comment on column medication.prescription_items.route is 'class=phi;about=?';
comment on column medication.prescription_items.frequency_code is 'class=phi;about=?';
comment on column medication.prescription_items.timing is 'class=phi;about=?';
comment on column medication.prescription_items.duration_days is 'class=phi;about=?';
comment on column medication.prescription_items.quantity is 'class=phi;about=?';
comment on column medication.prescription_items.quantity_dispensed is 'class=phi;about=?';
comment on column medication.prescription_items.refills is 'class=phi;about=?';
comment on column medication.prescription_items.is_prn is 'class=phi;about=?';
comment on column medication.prescription_items.prn_reason is 'class=phi;about=?';
comment on column medication.prescription_items.start_at is 'class=phi;about=?';
comment on column medication.prescription_items.stop_at is 'class=phi;about=?';
comment on column medication.prescription_items.instructions is 'class=phi;about=?';
comment on column medication.prescription_items.no_substitution is 'class=phi;about=?';
comment on column medication.prescription_items.indication is 'class=phi;about=?';
comment on column medication.prescription_items.stop_reason is 'class=phi;about=?';
comment on column medication.prescription_items.status is 'class=phi;about=?';
select core.comment_standard_columns('medication.prescription_items');

alter table medication.prescription_items enable row level security;
alter table medication.prescription_items force row level security;
create policy tenant_isolation on medication.prescription_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger prescription_items_touch before update on medication.prescription_items
  for each row execute function core.update_updated_at_column('row_version');
create trigger prescription_items_transition before insert or update of status on medication.prescription_items
  for each row execute function core.enforce_transition('medication.prescription_items', 'status');
select audit.track('medication.prescription_items');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('medication.prescription_items', '', 'draft', false, null),
  ('medication.prescription_items', 'draft', 'active', false, null),
  ('medication.prescription_items', 'draft', 'cancelled', false, null),
  ('medication.prescription_items', 'active', 'on_hold', false, null),
  ('medication.prescription_items', 'active', 'completed', false, null),
  ('medication.prescription_items', 'active', 'stopped', false, null),
  ('medication.prescription_items', 'on_hold', 'active', false, null),
  ('medication.prescription_items', 'on_hold', 'stopped', false, null),
  ('medication.prescription_items', 'stopped', 'entered_in_error', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on medication.prescription_items to medication_app;
grant select on medication.prescription_items to medication_ro;
