-- inventory.indent_items: the lines of an indent, one an item. Received is at most issued, issued at most approved, approved
-- at most requested.

create table inventory.indent_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  indent_id uuid not null,
  line_no smallint not null,
  item_id uuid not null,
  requested_qty numeric(14, 3) not null,
  approved_qty numeric(14, 3),
  issued_qty numeric(14, 3) not null default 0,
  received_qty numeric(14, 3) not null default 0,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint indent_items_pkey primary key (tenant_id, id),
  constraint indent_items_indent_line_no_key unique (tenant_id, indent_id, line_no),
  constraint indent_items_indent_item_key unique (tenant_id, indent_id, item_id),
  constraint indent_items_requested_positive check (requested_qty > 0),
  constraint indent_items_approved_at_most_requested check (approved_qty between 0 and requested_qty),
  constraint indent_items_issued_at_most_approved check (issued_qty between 0 and coalesce(approved_qty, 0)),
  constraint indent_items_received_at_most_issued check (received_qty between 0 and issued_qty),
  constraint indent_items_line_no_check check (line_no >= 1),
  constraint indent_items_finite check (requested_qty <> 'NaN')
);

alter table inventory.indent_items add constraint indent_items_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table inventory.indent_items add constraint indent_items_indent_fkey
  foreign key (tenant_id, indent_id) references inventory.indents (tenant_id, id);
alter table inventory.indent_items add constraint indent_items_item_fkey
  foreign key (tenant_id, item_id) references inventory.items (tenant_id, id);

create index indent_items_item_idx on inventory.indent_items (tenant_id, item_id);

comment on table inventory.indent_items is 'class=operational;scope=tenant;owner=inventory;fhir=SupplyRequest;retention=operational;about=The lines of an indent.';
comment on column inventory.indent_items.indent_id is 'class=operational;about=The indent.';
comment on column inventory.indent_items.line_no is 'class=operational;about=Line, counted from 1.';
comment on column inventory.indent_items.item_id is 'class=operational;about=The item.';
comment on column inventory.indent_items.requested_qty is 'class=operational;about=Base units asked for.';
comment on column inventory.indent_items.approved_qty is 'class=operational;about=Base units approved; null until then.';
comment on column inventory.indent_items.issued_qty is 'class=operational;about=Base units that left the store.';
comment on column inventory.indent_items.received_qty is 'class=operational;about=Base units that arrived; what is missing was lost on the way.';
select core.comment_standard_columns('inventory.indent_items');

alter table inventory.indent_items enable row level security, force row level security;
create policy tenant_isolation on inventory.indent_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger indent_items_touch before update on inventory.indent_items
  for each row execute function core.update_updated_at_column('row_version');

grant select on inventory.indent_items to inventory_app, inventory_ro;
