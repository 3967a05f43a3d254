-- billing.invoice_items: the lines of a bill. They come to a draft and never change; a credit note's line names the line
-- that it takes back.

create table billing.invoice_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  invoice_id uuid not null,
  line_no smallint not null,
  charge_id uuid not null,
  description text not null,
  sac_hsn text,
  quantity numeric(14, 3) not null,
  unit_price numeric(14, 2) not null,
  discount numeric(14, 2) not null default 0,
  tax_rate numeric(5, 2) not null,
  tax numeric(14, 2) not null default 0,
  net numeric(14, 2) not null,
  credits_item_id uuid,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint invoice_items_pkey primary key (tenant_id, id),
  constraint invoice_items_no_nan check (quantity <> 'NaN' and unit_price <> 'NaN' and discount <> 'NaN' and tax_rate <> 'NaN' and tax <> 'NaN' and net <> 'NaN'),
  constraint invoice_items_line_no_key unique (tenant_id, invoice_id, line_no),
  constraint invoice_items_line_no_positive check (line_no >= 1),
  constraint invoice_items_quantity_positive check (quantity > 0),
  constraint invoice_items_discount_within_price check (discount between 0 and round(quantity * unit_price, 2)),
  constraint invoice_items_net_adds_up check (net = round(quantity * unit_price, 2) - discount + tax),
  constraint invoice_items_not_credit_of_itself check (credits_item_id <> id)
);

alter table billing.invoice_items add constraint invoice_items_tenant_fkey foreign key (tenant_id) references core.tenants (id);
alter table billing.invoice_items
  add constraint invoice_items_invoice_fkey foreign key (tenant_id, invoice_id) references billing.invoices (tenant_id, id);
alter table billing.invoice_items
  add constraint invoice_items_charge_fkey foreign key (tenant_id, charge_id)
  references billing.charge_master (tenant_id, id);
alter table billing.invoice_items
  add constraint invoice_items_credits_item_fkey foreign key (tenant_id, credits_item_id)
  references billing.invoice_items (tenant_id, id);

create index invoice_items_charge_idx on billing.invoice_items (tenant_id, charge_id);
create index invoice_items_credits_item_idx
  on billing.invoice_items (tenant_id, credits_item_id)
  where credits_item_id is not null;

comment on table billing.invoice_items is 'class=financial;scope=tenant;owner=billing;fhir=Invoice.lineItem;retention=financial;append_only=1;about=Lines of a bill.';
comment on column billing.invoice_items.invoice_id is 'class=financial;about=The bill.';
comment on column billing.invoice_items.line_no is 'class=operational;about=Line, counted from 1.';
comment on column billing.invoice_items.charge_id is 'class=financial;about=What is billed.';
comment on column billing.invoice_items.description is 'class=financial;about=Its name when it was billed.';
comment on column billing.invoice_items.sac_hsn is 'class=reference;about=Its GST code when it was billed.';
comment on column billing.invoice_items.quantity is 'class=financial;about=How many units.';
comment on column billing.invoice_items.unit_price is 'class=financial;about=Price of one unit before discount and GST.';
comment on column billing.invoice_items.discount is 'class=financial;about=Discount on the line.';
comment on column billing.invoice_items.tax_rate is 'class=financial;about=GST in percent.';
comment on column billing.invoice_items.tax is 'class=financial;about=GST of the line.';
comment on column billing.invoice_items.net is 'class=financial;about=Quantity x price - discount + tax.';
comment on column billing.invoice_items.credits_item_id is 'class=financial;about=On a credit note: the line that it takes back.';
select core.comment_standard_columns('billing.invoice_items');

alter table billing.invoice_items enable row level security, force row level security;
create policy tenant_isolation on billing.invoice_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger invoice_items_to_drafts_only before insert on billing.invoice_items
  for each row execute function billing.check_invoice_line();
create trigger invoice_items_append_only before update or delete on billing.invoice_items
  for each row execute function core.refuse_change();
create trigger invoice_items_no_truncate before truncate on billing.invoice_items
  for each statement execute function core.refuse_change();
select audit.track('billing.invoice_items');

grant select on billing.invoice_items to billing_app, billing_ro;
