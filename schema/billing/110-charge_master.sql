-- billing.charge_master: Everything that can be charged, including hospital packages.

create table billing.charge_master (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  code text not null,
  name text not null,
  kind text not null,
  department_id uuid,
  sac_hsn text,
  gst_rate numeric(5, 2) not null,
  is_exempt boolean not null default false,
  base_price numeric(14, 2) not null,
  unit text not null,
  package_components jsonb,
  hbp_package_code text,
  active boolean not null default false,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint charge_master_pkey primary key (tenant_id, id),
  constraint charge_master_kind_check check (
    kind in ('service', 'room', 'procedure', 'lab', 'imaging', 'drug', 'consumable', 'package', 'registration')
  ),
  constraint charge_master_base_price_rule check (base_price >= 0),
  constraint charge_master_package_complete check (kind <> 'package' or package_components is not null),
  constraint charge_master_is_exempt_rule check (not is_exempt or gst_rate = 0)
);

alter table billing.charge_master add constraint charge_master_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table billing.charge_master add constraint charge_master_department_fkey
  foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);

create unique index charge_master_code_key on billing.charge_master (tenant_id, code)
  where deleted_at is null;
create index charge_master_department_idx on billing.charge_master (tenant_id, department_id)
  where department_id is not null;

comment on table billing.charge_master is 'class=financial;scope=tenant;owner=billing;fhir=ChargeItemDefinition;retention=financial;about=Everything that can be charged, including hospital packages.';
comment on column billing.charge_master.code is 'class=financial;about=?';
comment on column billing.charge_master.name is 'class=financial;about=?';
comment on column billing.charge_master.kind is 'class=financial;about=?';
comment on column billing.charge_master.department_id is 'class=financial;about=The department.';
comment on column billing.charge_master.sac_hsn is 'class=financial;about=?';
comment on column billing.charge_master.gst_rate is 'class=financial;about=?';
comment on column billing.charge_master.is_exempt is 'class=financial;about=?';
comment on column billing.charge_master.base_price is 'class=financial;about=?';
comment on column billing.charge_master.unit is 'class=financial;about=?';
comment on column billing.charge_master.package_components is 'class=financial;about=?';
comment on column billing.charge_master.hbp_package_code is 'class=financial;about=?';
comment on column billing.charge_master.active is 'class=financial;about=?';
select core.comment_standard_columns('billing.charge_master');

alter table billing.charge_master enable row level security;
alter table billing.charge_master force row level security;
create policy tenant_isolation on billing.charge_master
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger charge_master_touch before update on billing.charge_master
  for each row execute function core.update_updated_at_column('row_version');
select audit.track('billing.charge_master');

grant select, insert, update on billing.charge_master to billing_app;
grant select on billing.charge_master to billing_ro;
