-- billing.tariffs: prices by payer, class of care, clinic and date.
--
-- An empty payer, class or clinic means any. Two tariffs for the same charge, payer, class and clinic never overlap in
-- time, so a date has one price; billing.find_price chooses the most particular.

create table billing.tariffs (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  charge_id uuid not null,
  payer_id uuid,
  care_class text,
  clinic_id uuid,
  price numeric(14, 2) not null,
  discount_pct numeric(5, 2) not null default 0,
  valid_during daterange not null,
  approved_by uuid not null,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint tariffs_pkey primary key (tenant_id, id),
  constraint tariffs_no_nan check (price <> 'NaN' and discount_pct <> 'NaN'),
  constraint tariffs_one_price_a_day exclude using gist (
    tenant_id with =,
    charge_id with =,
    (coalesce(payer_id, core.zero_uuid())) with =,
    (coalesce(care_class, '')) with =,
    (coalesce(clinic_id, core.zero_uuid())) with =,
    valid_during with &&
  ),
  constraint tariffs_price_not_negative check (price >= 0),
  constraint tariffs_discount_pct_range check (discount_pct between 0 and 100),
  constraint tariffs_valid_from_a_day check (not isempty(valid_during) and not lower_inf(valid_during))
);

alter table billing.tariffs add constraint tariffs_tenant_fkey foreign key (tenant_id) references core.tenants (id);
alter table billing.tariffs
  add constraint tariffs_charge_fkey foreign key (tenant_id, charge_id) references billing.charge_master (tenant_id, id);
alter table billing.tariffs add constraint tariffs_payer_fkey foreign key (payer_id) references insurance.payers (id);
alter table billing.tariffs
  add constraint tariffs_clinic_fkey foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
alter table billing.tariffs
  add constraint tariffs_approved_by_fkey foreign key (tenant_id, approved_by) references workforce.staff (tenant_id, id);

comment on index billing.tariffs_one_price_a_day is 'about=Guards writes only; billing.find_price reads the few tariffs of a charge by tariffs_charge_idx.';
create index tariffs_charge_idx on billing.tariffs (tenant_id, charge_id);
create index tariffs_payer_idx on billing.tariffs (payer_id, tenant_id) where payer_id is not null;
comment on index billing.tariffs_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index tariffs_clinic_idx on billing.tariffs (tenant_id, clinic_id) where clinic_id is not null;
create index tariffs_approved_by_idx on billing.tariffs (tenant_id, approved_by);

comment on table billing.tariffs is 'class=financial;scope=tenant;owner=billing;fhir=ChargeItemDefinition.propertyGroup;retention=financial;about=Prices by payer, class of care, clinic and date.';
comment on column billing.tariffs.charge_id is 'class=reference;about=What is priced.';
comment on column billing.tariffs.payer_id is 'class=financial;about=The payer whose price it is; empty for any.';
comment on column billing.tariffs.care_class is 'class=financial;about=Class of care as on the admission (general, semi_private, private); empty for any.';
comment on column billing.tariffs.clinic_id is 'class=operational;about=The clinic that it holds for; empty for any.';
comment on column billing.tariffs.price is 'class=financial;about=Price of one unit before GST.';
comment on column billing.tariffs.discount_pct is 'class=financial;about=Agreed discount on that price, in percent; shown on the bill.';
comment on column billing.tariffs.valid_during is 'class=financial;about=The days on which it holds.';
comment on column billing.tariffs.approved_by is 'class=operational;about=The member of staff who approved the price.';
select core.comment_standard_columns('billing.tariffs');

alter table billing.tariffs enable row level security, force row level security;
create policy tenant_isolation on billing.tariffs
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger tariffs_touch before update on billing.tariffs
  for each row execute function core.update_updated_at_column('row_version');
create trigger tariffs_payer_visible before insert or update of payer_id on billing.tariffs
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
select audit.track('billing.tariffs');

grant select, insert, update on billing.tariffs to billing_app;
grant select on billing.tariffs to billing_ro;
