-- inventory.indents: Ward or sub-store requisitions and transfers.

create table inventory.indents (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  indent_number text not null,
  from_location_id uuid not null,
  to_location_id uuid not null,
  requested_by uuid not null,
  approved_by uuid,
  needed_by timestamptz,
  priority text not null,
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
  constraint indents_from_location_id_rule check (from_location_id <> to_location_id)
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

create index indents_from_location_idx on inventory.indents (tenant_id, from_location_id);
create index indents_to_location_idx on inventory.indents (tenant_id, to_location_id);
create index indents_requested_by_idx on inventory.indents (tenant_id, requested_by);
create index indents_approved_by_idx on inventory.indents (tenant_id, approved_by)
  where approved_by is not null;

comment on table inventory.indents is 'class=operational;scope=tenant;owner=inventory;fhir=SupplyRequest;retention=operational;about=Ward or sub-store requisitions and transfers.';
comment on column inventory.indents.indent_number is 'class=operational;about=?';
comment on column inventory.indents.from_location_id is 'class=operational;about=?';
comment on column inventory.indents.to_location_id is 'class=operational;about=?';
comment on column inventory.indents.requested_by is 'class=operational;about=?';
comment on column inventory.indents.approved_by is 'class=operational;about=?';
comment on column inventory.indents.needed_by is 'class=operational;about=?';
comment on column inventory.indents.priority is 'class=operational;about=?';
comment on column inventory.indents.status is 'class=operational;about=?';
select core.comment_standard_columns('inventory.indents');

alter table inventory.indents enable row level security;
alter table inventory.indents force row level security;
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
  ('inventory.indents', 'draft', 'cancelled', false, null),
  ('inventory.indents', 'submitted', 'approved', false, null),
  ('inventory.indents', 'submitted', 'rejected', false, null),
  ('inventory.indents', 'approved', 'partially_issued', false, null),
  ('inventory.indents', 'approved', 'issued', false, null),
  ('inventory.indents', 'approved', 'cancelled', false, null),
  ('inventory.indents', 'partially_issued', 'issued', false, null),
  ('inventory.indents', 'partially_issued', 'closed_short', false, null),
  ('inventory.indents', 'issued', 'received', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on inventory.indents to inventory_app;
grant select on inventory.indents to inventory_ro;
