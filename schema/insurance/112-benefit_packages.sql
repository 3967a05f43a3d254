-- insurance.benefit_packages: a package or procedure with its price and the payer's conditions.
--
-- The conditions are the columns that insurance.check_claim_item reads when a line is written (IM607, IM620). The
-- form of package_code is a hint of PM-JAY, not a rule: other payers write theirs as they like.

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
  may_be_mixed boolean not null default false,
  pre_days smallint,
  post_days smallint,
  stg_code text,
  add_ons jsonb not null default '[]',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint benefit_packages_pkey primary key (id),
  constraint benefit_packages_no_nan check (base_rate <> 'NaN'),
  constraint benefit_packages_once_per_plan unique nulls not distinct (tenant_id, plan_id, package_code, procedure_code),
  constraint benefit_packages_procedure_type_known check (
    procedure_type in ('surgical', 'medical', 'day_care', 'investigation', 'implant', 'follow_up', 'unspecified')
  ),
  constraint benefit_packages_rate_not_negative check (base_rate >= 0),
  constraint benefit_packages_implant_limit_needs_implants check (implant_applicable or maximum_implants_allowed is null),
  constraint benefit_packages_stratum_limit_needs_strata check (
    stratification_allowed or maximum_stratification_allowed is null
  ),
  constraint benefit_packages_cycle_limit_needs_cycles check (cyclic_procedure or maximum_cycles_allowed is null)
);

alter table insurance.benefit_packages add constraint benefit_packages_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table insurance.benefit_packages add constraint benefit_packages_plan_fkey
  foreign key (plan_id) references insurance.insurance_plans (id);

create index benefit_packages_plan_idx on insurance.benefit_packages (plan_id, tenant_id);
comment on index insurance.benefit_packages_plan_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table insurance.benefit_packages is 'class=reference;scope=shared;owner=billing;fhir=InsurancePlan.plan.specificCost.benefit;retention=reference;about=A package or procedure with price and the scheme''s conditions.';
comment on column insurance.benefit_packages.plan_id is 'class=reference;about=The plan version that it belongs to.';
comment on column insurance.benefit_packages.package_code is 'class=reference;about=Code of the package, in PM-JAY two letters, three digits and perhaps a letter (MG001A); a hint, not a rule.';
comment on column insurance.benefit_packages.procedure_code is 'class=reference;about=Code of the procedure inside the package, where the payer tells them apart.';
comment on column insurance.benefit_packages.name is 'class=reference;about=Name of the package.';
comment on column insurance.benefit_packages.specialty_code is 'class=reference;about=Specialty that the payer files it under.';
comment on column insurance.benefit_packages.procedure_type is 'class=reference;about=surgical, medical, day_care, investigation, implant, follow_up or unspecified.';
comment on column insurance.benefit_packages.base_rate is 'class=reference;about=Price of one, before stratification and factors.';
comment on column insurance.benefit_packages.rate_rules is 'class=reference;about=Surcharges and factors by city, accreditation or stratum, as the payer publishes them.';
comment on column insurance.benefit_packages.govt_reserved is 'class=reference;about=True: only public hospitals may claim it.';
comment on column insurance.benefit_packages.approval_not_required is 'class=reference;about=True: treatment and claim need no pre-authorisation.';
comment on column insurance.benefit_packages.scheduled_tat_approval is 'class=reference;about=True: approved by the payer''s system when its time has passed.';
comment on column insurance.benefit_packages.enhancement_allowed is 'class=reference;about=True: an approval of it may be enhanced.';
comment on column insurance.benefit_packages.quantity_allowed is 'class=reference;about=Most that one claim may have; null: no limit.';
comment on column insurance.benefit_packages.is_day_care is 'class=reference;about=True: no overnight stay is asked for.';
comment on column insurance.benefit_packages.implant_applicable is 'class=reference;about=True: implants may be claimed with it.';
comment on column insurance.benefit_packages.multiple_implants_allowed is 'class=reference;about=True: more than one implant may be claimed.';
comment on column insurance.benefit_packages.maximum_implants_allowed is 'class=reference;about=Most implants of one claim; null: no limit beyond multiple_implants_allowed.';
comment on column insurance.benefit_packages.stratification_allowed is 'class=reference;about=True: it is claimed with a stratum, such as the kind of ward.';
comment on column insurance.benefit_packages.multiple_stratification_allowed is 'class=reference;about=True: one claim may hold more than one stratum of it.';
comment on column insurance.benefit_packages.maximum_stratification_allowed is 'class=reference;about=Most strata of one claim; null: no limit beyond multiple_stratification_allowed.';
comment on column insurance.benefit_packages.cyclic_procedure is 'class=reference;about=True: given in cycles (chemotherapy, dialysis), each claimed with its number.';
comment on column insurance.benefit_packages.maximum_cycles_allowed is 'class=reference;about=Highest number of a cycle; null: no limit.';
comment on column insurance.benefit_packages.may_be_mixed is 'class=reference;about=True: a medical package may stand beside surgical ones in one submission, and the other way round.';
comment on column insurance.benefit_packages.pre_days is 'class=reference;about=Days before the procedure that it covers.';
comment on column insurance.benefit_packages.post_days is 'class=reference;about=Days after discharge that it covers.';
comment on column insurance.benefit_packages.stg_code is 'class=reference;about=Code of the standard treatment guideline (clinical.stg_guidelines) whose papers the payer asks for.';
comment on column insurance.benefit_packages.add_ons is 'class=reference;about=Packages that may be added to it, a list of codes.';
select core.comment_standard_columns('insurance.benefit_packages');

alter table insurance.benefit_packages enable row level security, force row level security;
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
