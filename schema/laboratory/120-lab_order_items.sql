-- laboratory.lab_order_items: one ordered test and where it stands. A test stands once in an order; a repeat names the item
-- that it repeats.

create table laboratory.lab_order_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  order_id uuid not null,
  position smallint not null,
  test_id uuid not null,
  panel_id uuid,
  sample_id uuid,
  charge_item_id uuid,
  outsourced_to text,
  cancel_reason text,
  repeat_of_id uuid,
  due_at timestamptz not null,
  status text not null default 'ordered',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint lab_order_items_pkey primary key (tenant_id, id),
  constraint lab_order_items_status_check check (
    status in ('ordered', 'sampled', 'cancelled', 'in_process', 'recollect', 'resulted', 'verified', 'authorised', 'reported', 'amended')
  ),
  constraint lab_order_items_cancelled_with_reason check (status <> 'cancelled' or cancel_reason is not null),
  constraint lab_order_items_has_sample_or_partner check (
    status in ('ordered', 'cancelled') or sample_id is not null or outsourced_to is not null
  )
);

alter table laboratory.lab_order_items add constraint lab_order_items_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table laboratory.lab_order_items add constraint lab_order_items_order_fkey
  foreign key (tenant_id, order_id) references laboratory.lab_orders (tenant_id, id);
alter table laboratory.lab_order_items add constraint lab_order_items_test_fkey
  foreign key (test_id) references laboratory.lab_tests (id);
alter table laboratory.lab_order_items add constraint lab_order_items_panel_fkey
  foreign key (panel_id) references laboratory.lab_tests (id);
alter table laboratory.lab_order_items add constraint lab_order_items_sample_fkey
  foreign key (tenant_id, sample_id) references laboratory.samples (tenant_id, id);
alter table laboratory.lab_order_items add constraint lab_order_items_charge_item_fkey
  foreign key (tenant_id, charge_item_id) references billing.charge_items (tenant_id, id);
alter table laboratory.lab_order_items add constraint lab_order_items_repeat_of_fkey
  foreign key (tenant_id, repeat_of_id) references laboratory.lab_order_items (tenant_id, id);

create unique index lab_order_items_test_once_per_order on laboratory.lab_order_items (tenant_id, order_id, test_id)
  where status <> 'cancelled' and repeat_of_id is null;
-- the worklist, by what is due first
create index lab_order_items_open_idx on laboratory.lab_order_items (tenant_id, due_at)
  where status in ('ordered', 'sampled', 'recollect', 'in_process', 'resulted', 'verified', 'authorised');
create index lab_order_items_order_idx on laboratory.lab_order_items (tenant_id, order_id);
create index lab_order_items_test_idx on laboratory.lab_order_items (test_id, tenant_id);
comment on index laboratory.lab_order_items_test_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index lab_order_items_panel_idx on laboratory.lab_order_items (panel_id, tenant_id)
  where panel_id is not null;
comment on index laboratory.lab_order_items_panel_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index lab_order_items_sample_idx on laboratory.lab_order_items (tenant_id, sample_id)
  where sample_id is not null;
create index lab_order_items_charge_item_idx on laboratory.lab_order_items (tenant_id, charge_item_id)
  where charge_item_id is not null;
create index lab_order_items_repeat_of_idx on laboratory.lab_order_items (tenant_id, repeat_of_id)
  where repeat_of_id is not null;

comment on table laboratory.lab_order_items is 'class=phi;scope=tenant;owner=lab;fhir=ServiceRequest;retention=medical_record;about=One ordered test and where it stands.';
comment on column laboratory.lab_order_items.order_id is 'class=phi;about=The order.';
comment on column laboratory.lab_order_items.position is 'class=operational;about=Place on the order and the report, from 1.';
comment on column laboratory.lab_order_items.test_id is 'class=phi;about=The test, never a panel.';
comment on column laboratory.lab_order_items.panel_id is 'class=phi;about=The panel that it was ordered with.';
comment on column laboratory.lab_order_items.sample_id is 'class=phi;about=The sample that it is made from: after a rejection the one that replaces it.';
comment on column laboratory.lab_order_items.charge_item_id is 'class=financial;about=The charge; items of a panel share it. Null when billing had no price or no open account.';
comment on column laboratory.lab_order_items.outsourced_to is 'class=operational;about=The laboratory that the test was sent to.';
comment on column laboratory.lab_order_items.cancel_reason is 'class=phi;about=Why it was cancelled.';
comment on column laboratory.lab_order_items.repeat_of_id is 'class=phi;about=The item that this one repeats.';
comment on column laboratory.lab_order_items.due_at is 'class=phi;about=When the result is promised.';
comment on column laboratory.lab_order_items.status is 'class=phi;about=ordered, sampled, in_process, resulted, verified, authorised, reported; recollect, cancelled, amended.';
select core.comment_standard_columns('laboratory.lab_order_items');

alter table laboratory.lab_order_items enable row level security, force row level security;
create policy tenant_isolation on laboratory.lab_order_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger lab_order_items_touch before update on laboratory.lab_order_items
  for each row execute function core.update_updated_at_column('row_version');
create trigger lab_order_items_test_visible before insert or update of test_id on laboratory.lab_order_items
  for each row execute function core.check_shared_reference('test_id', 'laboratory.lab_tests');
create trigger lab_order_items_panel_visible before insert or update of panel_id on laboratory.lab_order_items
  for each row execute function core.check_shared_reference('panel_id', 'laboratory.lab_tests');
create trigger lab_order_items_transition before insert or update of status on laboratory.lab_order_items
  for each row execute function core.enforce_transition('laboratory.lab_order_items', 'status');
select audit.track('laboratory.lab_order_items');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('laboratory.lab_order_items', '', 'ordered', false, null),
  ('laboratory.lab_order_items', 'ordered', 'sampled', false, null),
  ('laboratory.lab_order_items', 'ordered', 'cancelled', false, null),
  ('laboratory.lab_order_items', 'sampled', 'in_process', false, null),
  ('laboratory.lab_order_items', 'sampled', 'recollect', false, null),
  ('laboratory.lab_order_items', 'sampled', 'cancelled', false, null),
  ('laboratory.lab_order_items', 'recollect', 'sampled', false, null),
  ('laboratory.lab_order_items', 'recollect', 'cancelled', false, null),
  ('laboratory.lab_order_items', 'in_process', 'resulted', false, null),
  ('laboratory.lab_order_items', 'in_process', 'recollect', false, null),
  ('laboratory.lab_order_items', 'resulted', 'verified', false, null),
  ('laboratory.lab_order_items', 'resulted', 'in_process', false, null),
  ('laboratory.lab_order_items', 'verified', 'authorised', false, null),
  ('laboratory.lab_order_items', 'verified', 'in_process', false, null),
  ('laboratory.lab_order_items', 'authorised', 'reported', false, null),
  ('laboratory.lab_order_items', 'reported', 'amended', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on laboratory.lab_order_items to lab_app;
grant update (outsourced_to, row_version) on laboratory.lab_order_items to lab_app;
grant select on laboratory.lab_order_items to lab_ro;
