-- blood_bank.blood_components: A unit that can be transfused.
-- RULE to build: expires_at within the component's maximum shelf life (settings, defaults: WB and PRBC in CPDA-1 35 d, PRBC in SAGM 42 d, platelets 5 d, FFP and CRYO 365 d)
-- RULE to build: status not in (available,reserved,crossmatched,issued,transfused) or all five TTI tests verified non_reactive and both ABO tests agree (trigger)

create table blood_bank.blood_components (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  donation_id uuid not null,
  din text not null,
  product_code text not null,
  division text not null,
  component text not null,
  abo text not null,
  rhd text not null,
  volume_ml smallint not null,
  prepared_at timestamptz not null,
  expires_at timestamptz not null,
  storage_location_id uuid not null,
  storage_temp numrange not null,
  modifications jsonb,
  parent_component_id uuid,
  reserved_for_request_id uuid,
  reserved_until timestamptz,
  discard_reason text,
  status text not null default 'quarantined',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint blood_components_pkey primary key (tenant_id, id),
  constraint blood_components_din_product_code_key unique (tenant_id, din, product_code, division),
  constraint blood_components_component_check check (
    component in ('WB', 'PRBC', 'PRBC_SAGM', 'FFP', 'PLT_RDP', 'PLT_SDP', 'CRYO', 'CPP', 'LR_PRBC', 'IRRAD_PRBC')
  ),
  constraint blood_components_abo_check check (abo in ('A', 'B', 'AB', 'O')),
  constraint blood_components_rhd_check check (rhd in ('pos', 'neg')),
  constraint blood_components_status_check check (
    status in ('quarantined', 'available', 'discarded', 'reserved', 'split', 'expired', 'crossmatched', 'issued', 'transfused', 'returned')
  ),
  constraint blood_components_expires_at_rule check (expires_at > prepared_at),
  constraint blood_components_discarded_complete check (status <> 'discarded' or discard_reason is not null)
);

alter table blood_bank.blood_components add constraint blood_components_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table blood_bank.blood_components add constraint blood_components_donation_fkey
  foreign key (tenant_id, donation_id) references blood_bank.donations (tenant_id, id);
alter table blood_bank.blood_components add constraint blood_components_storage_location_fkey
  foreign key (tenant_id, storage_location_id) references facility.locations (tenant_id, id);
alter table blood_bank.blood_components add constraint blood_components_parent_component_fkey
  foreign key (tenant_id, parent_component_id) references blood_bank.blood_components (tenant_id, id);
alter table blood_bank.blood_components add constraint blood_components_reserved_for_request_fkey
  foreign key (tenant_id, reserved_for_request_id) references blood_bank.blood_requests (tenant_id, id);

create index blood_components_donation_idx on blood_bank.blood_components (tenant_id, donation_id);
create index blood_components_storage_location_idx on blood_bank.blood_components (tenant_id, storage_location_id);
create index blood_components_parent_component_idx on blood_bank.blood_components (tenant_id, parent_component_id)
  where parent_component_id is not null;
create index blood_components_reserved_for_request_idx on blood_bank.blood_components (tenant_id, reserved_for_request_id)
  where reserved_for_request_id is not null;

comment on table blood_bank.blood_components is 'class=phi;scope=tenant;owner=lab;fhir=BiologicallyDerivedProduct;retention=medical_record;about=A unit that can be transfused.';
comment on column blood_bank.blood_components.donation_id is 'class=phi;about=?';
comment on column blood_bank.blood_components.din is 'class=phi;about=?';
comment on column blood_bank.blood_components.product_code is 'class=phi;about=?';
comment on column blood_bank.blood_components.division is 'class=phi;about=?';
comment on column blood_bank.blood_components.component is 'class=phi;about=?';
comment on column blood_bank.blood_components.abo is 'class=phi;about=?';
comment on column blood_bank.blood_components.rhd is 'class=phi;about=?';
comment on column blood_bank.blood_components.volume_ml is 'class=phi;about=?';
comment on column blood_bank.blood_components.prepared_at is 'class=phi;about=?';
comment on column blood_bank.blood_components.expires_at is 'class=phi;about=?';
comment on column blood_bank.blood_components.storage_location_id is 'class=phi;about=?';
comment on column blood_bank.blood_components.storage_temp is 'class=phi;about=?';
comment on column blood_bank.blood_components.modifications is 'class=phi;about=?';
comment on column blood_bank.blood_components.parent_component_id is 'class=phi;about=?';
comment on column blood_bank.blood_components.reserved_for_request_id is 'class=phi;about=?';
comment on column blood_bank.blood_components.reserved_until is 'class=phi;about=?';
comment on column blood_bank.blood_components.discard_reason is 'class=phi;about=?';
comment on column blood_bank.blood_components.status is 'class=phi;about=?';
select core.comment_standard_columns('blood_bank.blood_components');

alter table blood_bank.blood_components enable row level security;
alter table blood_bank.blood_components force row level security;
create policy tenant_isolation on blood_bank.blood_components
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger blood_components_touch before update on blood_bank.blood_components
  for each row execute function core.update_updated_at_column('row_version');
create trigger blood_components_transition before insert or update of status on blood_bank.blood_components
  for each row execute function core.enforce_transition('blood_bank.blood_components', 'status');
select audit.track('blood_bank.blood_components');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.blood_components', '', 'quarantined', false, null),
  ('blood_bank.blood_components', 'quarantined', 'available', false, null),
  ('blood_bank.blood_components', 'quarantined', 'discarded', false, null),
  ('blood_bank.blood_components', 'available', 'reserved', false, null),
  ('blood_bank.blood_components', 'available', 'split', false, null),
  ('blood_bank.blood_components', 'available', 'discarded', false, null),
  ('blood_bank.blood_components', 'available', 'expired', false, null),
  ('blood_bank.blood_components', 'reserved', 'crossmatched', false, null),
  ('blood_bank.blood_components', 'reserved', 'available', false, null),
  ('blood_bank.blood_components', 'reserved', 'expired', false, null),
  ('blood_bank.blood_components', 'reserved', 'discarded', false, null),
  ('blood_bank.blood_components', 'crossmatched', 'issued', false, null),
  ('blood_bank.blood_components', 'crossmatched', 'available', false, null),
  ('blood_bank.blood_components', 'crossmatched', 'expired', false, null),
  ('blood_bank.blood_components', 'crossmatched', 'discarded', false, null),
  ('blood_bank.blood_components', 'issued', 'transfused', false, null),
  ('blood_bank.blood_components', 'issued', 'returned', false, null),
  ('blood_bank.blood_components', 'issued', 'discarded', false, null),
  ('blood_bank.blood_components', 'returned', 'available', false, null),
  ('blood_bank.blood_components', 'returned', 'discarded', false, null),
  ('blood_bank.blood_components', 'expired', 'discarded', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on blood_bank.blood_components to lab_app;
grant select on blood_bank.blood_components to lab_ro;
