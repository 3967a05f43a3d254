-- payment.payment_items: what a payment was for. The items of a payment add up to its amount, which a deferred trigger
-- checks at commit.

create table payment.payment_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  payment_id uuid not null,
  line_no smallint not null,
  purpose text not null,
  invoice_id uuid,
  appointment_id uuid,
  description text not null,
  amount numeric(14, 2) not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint payment_items_pkey primary key (tenant_id, id),
  constraint payment_items_no_nan check (amount <> 'NaN'),
  constraint payment_items_line_no_key unique (tenant_id, payment_id, line_no),
  constraint payment_items_purpose_check check (purpose in ('invoice', 'appointment', 'advance', 'pharmacy', 'other')),
  constraint payment_items_amount_positive check (amount > 0),
  constraint payment_items_invoice_is_named check (purpose <> 'invoice' or invoice_id is not null),
  constraint payment_items_no_card_number check (not core.looks_like_pan(description))
);

alter table payment.payment_items add constraint payment_items_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table payment.payment_items add constraint payment_items_payment_fkey
  foreign key (tenant_id, payment_id) references payment.payments (tenant_id, id);
alter table payment.payment_items add constraint payment_items_invoice_fkey
  foreign key (tenant_id, invoice_id) references billing.invoices (tenant_id, id);
alter table payment.payment_items add constraint payment_items_appointment_fkey
  foreign key (tenant_id, appointment_id) references scheduling.appointments (tenant_id, id);

create index payment_items_invoice_idx on payment.payment_items (tenant_id, invoice_id)
  where invoice_id is not null;
create index payment_items_appointment_idx on payment.payment_items (tenant_id, appointment_id)
  where appointment_id is not null;

comment on table payment.payment_items is 'class=financial;scope=tenant;owner=payment_gateway;fhir=PaymentReconciliation.detail;retention=financial;append_only=1;about=What a payment was for at the counter (invoice, appointment fee, advance).';
comment on column payment.payment_items.payment_id is 'class=financial;about=The payment.';
comment on column payment.payment_items.line_no is 'class=operational;about=Line, counted from 1.';
comment on column payment.payment_items.purpose is 'class=financial;about=invoice, appointment (its fee), advance, pharmacy or other.';
comment on column payment.payment_items.invoice_id is 'class=financial;about=The bill that it is to pay.';
comment on column payment.payment_items.appointment_id is 'class=financial;about=The appointment whose fee it is.';
comment on column payment.payment_items.description is 'class=financial;about=Text of the line on the receipt.';
comment on column payment.payment_items.amount is 'class=financial;about=How much of the payment.';
select core.comment_standard_columns('payment.payment_items');

alter table payment.payment_items enable row level security, force row level security;
create policy tenant_isolation on payment.payment_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create constraint trigger payment_items_add_up after insert on payment.payment_items
  deferrable initially deferred
  for each row execute function payment.check_payment_items('payment_id');
create trigger payment_items_append_only before update or delete on payment.payment_items
  for each row execute function core.refuse_change();
create trigger payment_items_no_truncate before truncate on payment.payment_items
  for each statement execute function core.refuse_change();
select audit.track('payment.payment_items');

grant select on payment.payment_items to payment_gateway_app, payment_gateway_ro;
