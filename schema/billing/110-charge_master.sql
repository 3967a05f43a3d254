-- billing.charge_master: everything that can be charged, hospital packages included.
--
-- The base price is what a patient pays who falls under no tariff. A charge that is no longer sold is made inactive; one
-- that was ever charged is never deleted, because its bills name it.

create table billing.charge_master (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  code text not null,
  name text not null,
  kind text not null,
  department_id uuid,
  sac_hsn text,
  gst_rate numeric(5, 2) not null default 0,
  is_exempt boolean not null default false,
  base_price numeric(14, 2) not null,
  unit text not null default 'each',
  package_components jsonb,
  hbp_package_code text,
  active boolean not null default true,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint charge_master_pkey primary key (tenant_id, id),
  constraint charge_master_no_nan check (gst_rate <> 'NaN' and base_price <> 'NaN'),
  constraint charge_master_code_format check (code ~ '^[A-Za-z0-9][A-Za-z0-9._/-]{0,39}$'),
  constraint charge_master_kind_check check (
    kind in ('service', 'room', 'procedure', 'lab', 'imaging', 'drug', 'consumable', 'package', 'registration')
  ),
  constraint charge_master_sac_hsn_digits check (sac_hsn ~ '^[0-9]{4,8}$'),
  constraint charge_master_gst_rate_range check (gst_rate between 0 and 100),
  constraint charge_master_price_not_negative check (base_price >= 0),
  constraint charge_master_exempt_has_no_gst check (not is_exempt or gst_rate = 0),
  constraint charge_master_package_names_components check ((kind = 'package') = (package_components is not null)),
  constraint charge_master_components_are_a_list check (jsonb_typeof(package_components) = 'array')
);

alter table billing.charge_master
  add constraint charge_master_tenant_fkey foreign key (tenant_id) references core.tenants (id);
alter table billing.charge_master
  add constraint charge_master_department_fkey foreign key (tenant_id, department_id)
  references facility.departments (tenant_id, id);

create unique index charge_master_code_key on billing.charge_master (tenant_id, code) where deleted_at is null;
create index charge_master_department_idx on billing.charge_master (tenant_id, department_id) where department_id is not null;

comment on table billing.charge_master is 'class=reference;scope=tenant;owner=billing;fhir=ChargeItemDefinition;retention=financial;about=Everything that can be charged, hospital packages included.';
comment on column billing.charge_master.code is 'class=reference;about=The hospital''s code, the one that charge_encounter takes.';
comment on column billing.charge_master.name is 'class=reference;about=Text of the line on a bill.';
comment on column billing.charge_master.kind is 'class=reference;about=service, room, procedure, lab, imaging, drug, consumable, package or registration. Drugs and consumables may be charged at the price of their batch.';
comment on column billing.charge_master.department_id is 'class=operational;about=The department whose revenue it is.';
comment on column billing.charge_master.sac_hsn is 'class=reference;about=Service or goods code of Indian GST, 4 to 8 digits; 9993 is human health care.';
comment on column billing.charge_master.gst_rate is 'class=financial;about=GST in percent.';
comment on column billing.charge_master.is_exempt is 'class=financial;about=True when the law exempts it from GST: it goes on a bill of supply.';
comment on column billing.charge_master.base_price is 'class=financial;about=Price of one unit before GST where no tariff applies.';
comment on column billing.charge_master.unit is 'class=reference;about=What a quantity of 1 is: each, day, hour, strip.';
comment on column billing.charge_master.package_components is 'class=reference;about=What a package includes: [{"code": charge code, "quantity": number, or null for as much as it takes}].';
comment on column billing.charge_master.hbp_package_code is 'class=reference;about=Code of the scheme''s health benefit package that it is claimed as.';
comment on column billing.charge_master.active is 'class=operational;about=False when it is no longer charged.';
select core.comment_standard_columns('billing.charge_master');

alter table billing.charge_master enable row level security, force row level security;
create policy tenant_isolation on billing.charge_master
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger charge_master_touch before update on billing.charge_master
  for each row execute function core.update_updated_at_column('row_version');
select audit.track('billing.charge_master');

grant select, insert, update on billing.charge_master to billing_app;
grant select on billing.charge_master to billing_ro;
