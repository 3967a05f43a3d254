-- inventory.suppliers: whom the hospital buys from. A blocked supplier gets no new orders; blocking needs a reason.
--
-- The bank account is encrypted; the GSTIN is checked by its check character.

create table inventory.suppliers (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  code text not null,
  name text not null,
  gstin text,
  drug_licence_no text,
  licence_valid_to date,
  contact jsonb not null default '{}',
  payment_terms_days smallint not null default 30,
  bank_enc bytea,
  ifsc text,
  rating numeric(3, 2),
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint suppliers_pkey primary key (tenant_id, id),
  constraint suppliers_status_check check (status in ('active', 'blocked', 'inactive')),
  constraint suppliers_gstin_valid check (core.valid_gstin(gstin)),
  constraint suppliers_ifsc_valid check (core.valid_ifsc(ifsc)),
  constraint suppliers_payment_terms_check check (payment_terms_days between 0 and 365),
  constraint suppliers_rating_check check (rating between 0 and 5),
  constraint suppliers_contact_is_object check (jsonb_typeof(contact) = 'object')
);

alter table inventory.suppliers add constraint suppliers_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

create unique index suppliers_code_key on inventory.suppliers (tenant_id, code)
  where deleted_at is null;

comment on table inventory.suppliers is 'class=financial;scope=tenant;owner=inventory;fhir=Organization;retention=financial;about=Whom the hospital buys from.';
comment on column inventory.suppliers.code is 'class=operational;about=Code of the hospital, unique while the supplier is not deleted.';
comment on column inventory.suppliers.name is 'class=operational;about=Registered name.';
comment on column inventory.suppliers.gstin is 'class=financial;about=GST identification number (India).';
comment on column inventory.suppliers.drug_licence_no is 'class=operational;about=Wholesale drug licence.';
comment on column inventory.suppliers.licence_valid_to is 'class=operational;about=Last day of the drug licence; drugs are not ordered after it.';
comment on column inventory.suppliers.contact is 'class=pii;about=Contact persons and addresses: {name, phone, email, address}.';
comment on column inventory.suppliers.payment_terms_days is 'class=financial;about=Days until an invoice is due.';
comment on column inventory.suppliers.bank_enc is 'class=financial;enc=1;about=Bank account, encrypted.';
comment on column inventory.suppliers.ifsc is 'class=financial;about=Branch code of the bank account (India).';
comment on column inventory.suppliers.rating is 'class=operational;about=Score of the supplier, 0 to 5.';
comment on column inventory.suppliers.status is 'class=operational;about=active, blocked (a reason is required) or inactive.';
select core.comment_standard_columns('inventory.suppliers');

alter table inventory.suppliers enable row level security, force row level security;
create policy tenant_isolation on inventory.suppliers
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger suppliers_no_aadhaar before insert or update of name on inventory.suppliers
  for each row execute function core.reject_aadhaar_like('name');
create trigger suppliers_touch before update on inventory.suppliers
  for each row execute function core.update_updated_at_column('row_version');
create trigger suppliers_transition before insert or update of status on inventory.suppliers
  for each row execute function core.enforce_transition('inventory.suppliers', 'status');
select audit.track('inventory.suppliers');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('inventory.suppliers', '', 'active', false, null),
  ('inventory.suppliers', 'active', 'blocked', true, null),
  ('inventory.suppliers', 'active', 'inactive', false, null),
  ('inventory.suppliers', 'blocked', 'active', false, null),
  ('inventory.suppliers', 'inactive', 'active', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on inventory.suppliers to inventory_app;
grant select on inventory.suppliers to inventory_ro;
