-- inventory.indents: a ward or sub-store asks a store for goods. Goods go from from_location_id to to_location_id; between
-- issue and receipt they are in no balance, the ledger shows them as a transfer_out without its transfer_in.
--
-- Who asks does not approve: a constraint says so.

create table inventory.indents (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  indent_number text not null,
  from_location_id uuid not null,
  to_location_id uuid not null,
  requested_by uuid not null,
  approved_by uuid,
  needed_by timestamptz,
  priority text not null default 'routine',
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint indents_pkey primary key (tenant_id, id),
  constraint indents_indent_number_key unique (tenant_id, indent_number),
  constraint indents_priority_check check (priority in ('routine', 'urgent', 'emergency')),
  constraint indents_status_check check (
    status in ('draft', 'submitted', 'cancelled', 'approved', 'rejected', 'partially_issued', 'issued', 'closed_short', 'received')
  ),
  constraint indents_between_two_places check (from_location_id <> to_location_id),
  constraint indents_approved_by_another check (approved_by <> requested_by),
  constraint indents_approved_before_issued check (
    status in ('draft', 'submitted', 'cancelled', 'rejected') or approved_by is not null
  )
);

alter table inventory.indents add constraint indents_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table inventory.indents add constraint indents_from_location_fkey
  foreign key (tenant_id, from_location_id) references facility.locations (tenant_id, id);
alter table inventory.indents add constraint indents_to_location_fkey
  foreign key (tenant_id, to_location_id) references facility.locations (tenant_id, id);
alter table inventory.indents add constraint indents_requested_by_fkey
  foreign key (tenant_id, requested_by) references workforce.staff (tenant_id, id);
alter table inventory.indents add constraint indents_approved_by_fkey
  foreign key (tenant_id, approved_by) references workforce.staff (tenant_id, id);

-- what a store has to approve and issue
create index indents_open_idx on inventory.indents (tenant_id, from_location_id, created_at)
  where status in ('submitted', 'approved', 'partially_issued');
-- what a ward waits for
create index indents_to_receive_idx on inventory.indents (tenant_id, to_location_id, created_at)
  where status in ('partially_issued', 'issued');
create index indents_from_location_idx on inventory.indents (tenant_id, from_location_id);
create index indents_to_location_idx on inventory.indents (tenant_id, to_location_id);
create index indents_requested_by_idx on inventory.indents (tenant_id, requested_by);
create index indents_approved_by_idx on inventory.indents (tenant_id, approved_by)
  where approved_by is not null;

comment on table inventory.indents is 'class=operational;scope=tenant;owner=inventory;fhir=SupplyRequest;retention=operational;about=What a ward or sub-store asks a store for.';
comment on column inventory.indents.indent_number is 'class=operational;about=Number of the indent, one series a tenant.';
comment on column inventory.indents.from_location_id is 'class=operational;about=The store that gives.';
comment on column inventory.indents.to_location_id is 'class=operational;about=The ward or sub-store that asked and gets.';
comment on column inventory.indents.requested_by is 'class=operational;about=The staff member who asked.';
comment on column inventory.indents.approved_by is 'class=operational;about=The staff member who approved or rejected it.';
comment on column inventory.indents.needed_by is 'class=operational;about=When the goods are needed.';
comment on column inventory.indents.priority is 'class=operational;about=routine, urgent or emergency.';
comment on column inventory.indents.status is 'class=operational;about=Where the indent stands, from submitted to received.';
select core.comment_standard_columns('inventory.indents');

alter table inventory.indents enable row level security, force row level security;
create policy tenant_isolation on inventory.indents
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger indents_touch before update on inventory.indents
  for each row execute function core.update_updated_at_column('row_version');
create trigger indents_transition before insert or update of status on inventory.indents
  for each row execute function core.enforce_transition('inventory.indents', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('inventory.indents', '', 'draft', false, null),
  ('inventory.indents', 'draft', 'submitted', false, null),
  ('inventory.indents', 'draft', 'cancelled', true, null),
  ('inventory.indents', 'submitted', 'approved', false, null),
  ('inventory.indents', 'submitted', 'rejected', true, null),
  ('inventory.indents', 'submitted', 'cancelled', true, null),
  ('inventory.indents', 'approved', 'partially_issued', false, null),
  ('inventory.indents', 'approved', 'issued', false, null),
  ('inventory.indents', 'approved', 'cancelled', true, null),
  ('inventory.indents', 'partially_issued', 'issued', false, null),
  ('inventory.indents', 'partially_issued', 'closed_short', true, null),
  ('inventory.indents', 'issued', 'received', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on inventory.indents to inventory_app, inventory_ro;
grant update (needed_by, priority, row_version) on inventory.indents to inventory_app;
