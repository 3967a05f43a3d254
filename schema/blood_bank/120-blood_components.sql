-- blood_bank.blood_components: the units that can be transfused.
--
-- Invariants: a unit can be given only when its donation is clear (trigger blood_components_donation_is_clear), never
-- beyond its shelf life (trigger blood_components_within_shelf_life), and to one patient only: the unit's row is the lock
-- of reservation, crossmatch and issue, and blood_issues_one_live_issue is the last guard. Every move has its row in
-- component_events; both are written by blood_bank.move_unit alone.

create table blood_bank.blood_components (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  donation_id uuid not null,
  din text not null,
  product_code text not null,
  division text not null default '00',
  component text not null,
  abo text,
  rhd text,
  volume_ml smallint not null,
  prepared_at timestamptz not null default now(),
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
  constraint blood_components_label_key unique (tenant_id, din, product_code, division),
  constraint blood_components_component_check check (
    component in ('WB', 'PRBC', 'PRBC_SAGM', 'FFP', 'PLT_RDP', 'PLT_SDP', 'CRYO', 'CPP', 'LR_PRBC', 'IRRAD_PRBC')
  ),
  constraint blood_components_abo_check check (abo in ('A', 'B', 'AB', 'O')),
  constraint blood_components_rhd_check check (rhd in ('pos', 'neg')),
  constraint blood_components_status_check check (
    status in ('quarantined', 'available', 'discarded', 'reserved', 'split', 'expired', 'crossmatched', 'issued', 'transfused', 'returned')
  ),
  constraint blood_components_volume_positive check (volume_ml > 0),
  constraint blood_components_expires_after_preparation check (expires_at > prepared_at),
  constraint blood_components_discarded_for_a_reason check ((status = 'discarded') = (discard_reason is not null)),
  constraint blood_components_group_known_before_use check (
    status in ('quarantined', 'discarded') or num_nulls(abo, rhd) = 0
  ),
  constraint blood_components_kept_for_one_request check (
    (status in ('reserved', 'crossmatched')) = (num_nulls(reserved_for_request_id, reserved_until) = 0)
    and num_nulls(reserved_for_request_id, reserved_until) in (0, 2)
  )
);

alter table blood_bank.blood_components add constraint blood_components_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table blood_bank.blood_components add constraint blood_components_donation_fkey
  foreign key (tenant_id, donation_id) references blood_bank.donations (tenant_id, id);
alter table blood_bank.blood_components add constraint blood_components_storage_location_fkey
  foreign key (tenant_id, storage_location_id) references facility.locations (tenant_id, id);
alter table blood_bank.blood_components add constraint blood_components_parent_component_fkey
  foreign key (tenant_id, parent_component_id) references blood_bank.blood_components (tenant_id, id);

-- first expired, first out among units of one group; also the stock view
create index blood_components_fefo_idx on blood_bank.blood_components (tenant_id, component, abo, rhd, expires_at)
  where status = 'available';
create index blood_components_to_expire_idx on blood_bank.blood_components (tenant_id, expires_at)
  where status in ('available', 'reserved', 'crossmatched');
create index blood_components_to_free_idx on blood_bank.blood_components (tenant_id, reserved_until)
  where status in ('reserved', 'crossmatched');
create index blood_components_donation_idx on blood_bank.blood_components (tenant_id, donation_id);
create index blood_components_storage_location_idx on blood_bank.blood_components (tenant_id, storage_location_id);
create index blood_components_parent_component_idx on blood_bank.blood_components (tenant_id, parent_component_id)
  where parent_component_id is not null;
create index blood_components_reserved_for_request_idx on blood_bank.blood_components (tenant_id, reserved_for_request_id)
  where reserved_for_request_id is not null;

comment on table blood_bank.blood_components is 'class=phi;scope=tenant;owner=lab;fhir=BiologicallyDerivedProduct;retention=medical_record;about=A unit that can be transfused.';
comment on column blood_bank.blood_components.donation_id is 'class=phi;about=The donation that the unit was made of.';
comment on column blood_bank.blood_components.din is 'class=phi;about=Donation identification number on the label.';
comment on column blood_bank.blood_components.product_code is 'class=operational;about=ISBT 128 product code on the label.';
comment on column blood_bank.blood_components.division is 'class=operational;about=Division of the product: 00 for a whole unit, A0, B0 for parts.';
comment on column blood_bank.blood_components.component is 'class=operational;about=WB, PRBC (CPDA-1), PRBC_SAGM, LR_PRBC (leucoreduced), IRRAD_PRBC (irradiated), FFP, CPP (cryo-poor plasma), CRYO, PLT_RDP (random donor) or PLT_SDP (single donor).';
comment on column blood_bank.blood_components.abo is 'class=phi;about=ABO group from the verified tests of the donation; null until the release.';
comment on column blood_bank.blood_components.rhd is 'class=phi;about=RhD pos or neg; null until the release.';
comment on column blood_bank.blood_components.volume_ml is 'class=operational;about=Volume in ml.';
comment on column blood_bank.blood_components.prepared_at is 'class=operational;about=When the unit was made.';
comment on column blood_bank.blood_components.expires_at is 'class=operational;about=End of the shelf life, which counts from the end of the collection.';
comment on column blood_bank.blood_components.storage_location_id is 'class=operational;about=Refrigerator, freezer or agitator where the unit belongs.';
comment on column blood_bank.blood_components.storage_temp is 'class=operational;about=Storage temperature in degrees Celsius.';
comment on column blood_bank.blood_components.modifications is 'class=operational;about=What was done to the unit: irradiated, washed, pooled.';
comment on column blood_bank.blood_components.parent_component_id is 'class=phi;about=The unit that this one is a part of.';
comment on column blood_bank.blood_components.reserved_for_request_id is 'class=phi;about=Request that the unit is kept for while reserved or crossmatched.';
comment on column blood_bank.blood_components.reserved_until is 'class=operational;about=When the reservation lapses.';
comment on column blood_bank.blood_components.discard_reason is 'class=operational;about=Why the unit was discarded: reactive, expired, seal_broken, out_too_long, leak, ...';
comment on column blood_bank.blood_components.status is 'class=operational;about=quarantined, available, reserved, crossmatched, issued, transfused, returned, expired, split or discarded.';
select core.comment_standard_columns('blood_bank.blood_components');

alter table blood_bank.blood_components enable row level security, force row level security;
create policy tenant_isolation on blood_bank.blood_components
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger blood_components_donation_is_clear before insert or update of status on blood_bank.blood_components
  for each row execute function blood_bank.check_unit_is_clear();
create trigger blood_components_within_shelf_life before insert or update of expires_at, component, donation_id
  on blood_bank.blood_components
  for each row execute function blood_bank.check_shelf_life();
create trigger blood_components_touch before update on blood_bank.blood_components
  for each row execute function core.update_updated_at_column('row_version');
create trigger blood_components_transition before insert or update of status on blood_bank.blood_components
  for each row execute function core.enforce_transition('blood_bank.blood_components', 'status');
select audit.track('blood_bank.blood_components');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.blood_components', '', 'quarantined', false, null),
  ('blood_bank.blood_components', 'quarantined', 'available', false, 'blood.unit_released.v1'),
  ('blood_bank.blood_components', 'quarantined', 'discarded', false, null),
  ('blood_bank.blood_components', 'available', 'reserved', false, null),
  ('blood_bank.blood_components', 'available', 'split', false, null),
  ('blood_bank.blood_components', 'available', 'discarded', false, null),
  ('blood_bank.blood_components', 'available', 'expired', false, null),
  ('blood_bank.blood_components', 'reserved', 'crossmatched', false, null),
  ('blood_bank.blood_components', 'reserved', 'issued', false, null),
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

grant select on blood_bank.blood_components to lab_app;
grant select on blood_bank.blood_components to lab_ro;
