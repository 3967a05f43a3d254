-- insurance.benefit_packages: A package or procedure with price and the scheme's conditions.
-- RULE to build: package_code ~ '^[A-Z]{2}[0-9]{3}[A-Z]?$' for PM-JAY (advisory)

create table insurance.benefit_packages (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  plan_id uuid not null,
  package_code text not null,
  procedure_code text,
  name text not null,
  specialty_code text not null,
  procedure_type text not null,
  base_rate numeric(14, 2) not null,
  rate_rules jsonb,
  govt_reserved boolean not null default false,
  approval_not_required boolean not null default false,
  scheduled_tat_approval boolean not null default false,
  enhancement_allowed boolean not null default false,
  quantity_allowed smallint,
  is_day_care boolean not null default false,
  implant_applicable boolean not null default false,
  multiple_implants_allowed boolean not null default false,
  maximum_implants_allowed smallint,
  stratification_allowed boolean not null default false,
  multiple_stratification_allowed boolean not null default false,
  maximum_stratification_allowed smallint,
  cyclic_procedure boolean not null default false,
  maximum_cycles_allowed smallint,
  pre_days smallint,
  post_days smallint,
  stg_code text,
  add_ons jsonb not null default '{}',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint benefit_packages_pkey primary key (id),
  constraint benefit_packages_plan_package_code_key unique nulls not distinct (tenant_id, plan_id, package_code, procedure_code),
  constraint benefit_packages_procedure_type_check check (
    procedure_type in ('surgical', 'medical', 'day_care', 'investigation', 'implant', 'follow_up', 'unspecified')
  ),
  constraint benefit_packages_base_rate_rule check (base_rate >= 0),
  constraint benefit_packages_implant_applicable_rule check (implant_applicable or maximum_implants_allowed is null)
);

alter table insurance.benefit_packages add constraint benefit_packages_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table insurance.benefit_packages add constraint benefit_packages_plan_fkey
  foreign key (plan_id) references insurance.insurance_plans (id);

create index benefit_packages_plan_idx on insurance.benefit_packages (plan_id, tenant_id);
comment on index insurance.benefit_packages_plan_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table insurance.benefit_packages is 'class=reference;scope=shared;owner=billing;fhir=InsurancePlan.plan.specificCost.benefit;retention=reference;about=A package or procedure with price and the scheme''s conditions.';
comment on column insurance.benefit_packages.plan_id is 'class=reference;about=?';
comment on column insurance.benefit_packages.package_code is 'class=reference;about=?';
comment on column insurance.benefit_packages.procedure_code is 'class=reference;about=?';
comment on column insurance.benefit_packages.name is 'class=reference;about=?';
comment on column insurance.benefit_packages.specialty_code is 'class=reference;about=?';
comment on column insurance.benefit_packages.procedure_type is 'class=reference;about=?';
comment on column insurance.benefit_packages.base_rate is 'class=reference;about=?';
comment on column insurance.benefit_packages.rate_rules is 'class=reference;about=?';
comment on column insurance.benefit_packages.govt_reserved is 'class=reference;about=?';
comment on column insurance.benefit_packages.approval_not_required is 'class=reference;about=?';
comment on column insurance.benefit_packages.scheduled_tat_approval is 'class=reference;about=?';
comment on column insurance.benefit_packages.enhancement_allowed is 'class=reference;about=?';
comment on column insurance.benefit_packages.quantity_allowed is 'class=reference;about=?';
comment on column insurance.benefit_packages.is_day_care is 'class=reference;about=?';
comment on column insurance.benefit_packages.implant_applicable is 'class=reference;about=?';
comment on column insurance.benefit_packages.multiple_implants_allowed is 'class=reference;about=?';
comment on column insurance.benefit_packages.maximum_implants_allowed is 'class=reference;about=?';
comment on column insurance.benefit_packages.stratification_allowed is 'class=reference;about=?';
comment on column insurance.benefit_packages.multiple_stratification_allowed is 'class=reference;about=?';
comment on column insurance.benefit_packages.maximum_stratification_allowed is 'class=reference;about=?';
comment on column insurance.benefit_packages.cyclic_procedure is 'class=reference;about=?';
comment on column insurance.benefit_packages.maximum_cycles_allowed is 'class=reference;about=?';
comment on column insurance.benefit_packages.pre_days is 'class=reference;about=?';
comment on column insurance.benefit_packages.post_days is 'class=reference;about=?';
comment on column insurance.benefit_packages.stg_code is 'class=reference;about=?';
comment on column insurance.benefit_packages.add_ons is 'class=reference;about=?';
select core.comment_standard_columns('insurance.benefit_packages');

alter table insurance.benefit_packages enable row level security;
alter table insurance.benefit_packages force row level security;
create policy tenant_isolation on insurance.benefit_packages
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on insurance.benefit_packages for select using (tenant_id is null);

create trigger benefit_packages_touch before update on insurance.benefit_packages
  for each row execute function core.update_updated_at_column('row_version');
create trigger benefit_packages_plan_visible before insert or update of plan_id on insurance.benefit_packages
  for each row execute function core.check_shared_reference('plan_id', 'insurance.insurance_plans');

grant select, insert, update on insurance.benefit_packages to billing_app;
grant select on insurance.benefit_packages to billing_ro;
