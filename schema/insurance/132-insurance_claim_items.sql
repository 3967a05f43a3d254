-- insurance.insurance_claim_items: package lines of a submission, and the payer's decision on each.
--
-- The package's limits and the ban on mixing medical with surgical packages are checked when a line is written. Lines
-- are replaced as a whole while the submission is a draft; afterwards only the decision is written.

create table insurance.insurance_claim_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  claim_id uuid not null,
  seq smallint not null,
  package_id uuid,
  code_system text not null,
  code text not null,
  display text not null,
  stratification_code text,
  implant_code text,
  implant_count smallint not null default 0,
  cycle_no smallint,
  quantity numeric(8, 2) not null default 1,
  unit_price numeric(14, 2) not null,
  factor numeric(6, 4) not null default 1,
  net numeric(14, 2) not null,
  serviced_on date,
  diagnosis_seq smallint[] not null default '{}',
  charge_item_ids uuid[] not null default '{}',
  approved_quantity numeric(8, 2),
  approved_amount numeric(14, 2),
  decision text,
  decision_reason text,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint insurance_claim_items_pkey primary key (tenant_id, id),
  constraint insurance_claim_items_no_nan check (
    quantity <> 'NaN' and unit_price <> 'NaN' and factor <> 'NaN' and net <> 'NaN' and approved_quantity <> 'NaN' and approved_amount <> 'NaN'
  ),
  constraint insurance_claim_items_line_once unique (tenant_id, claim_id, seq),
  constraint insurance_claim_items_code_once unique nulls not distinct (
    tenant_id, claim_id, code_system, code, stratification_code, cycle_no
  ),
  constraint insurance_claim_items_decision_known check (decision in ('approved', 'partial', 'rejected', 'pending')),
  constraint insurance_claim_items_counts_not_negative check (
    seq >= 1 and quantity > 0 and unit_price >= 0 and factor > 0 and implant_count >= 0 and coalesce(cycle_no, 1) >= 1
  ),
  constraint insurance_claim_items_implant_is_named check (implant_count = 0 or implant_code is not null),
  constraint insurance_claim_items_net_is_product check (net = round(quantity * unit_price * factor, 2)),
  constraint insurance_claim_items_approved_within_net check (approved_amount between 0 and net)
);

alter table insurance.insurance_claim_items add constraint insurance_claim_items_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table insurance.insurance_claim_items add constraint insurance_claim_items_claim_fkey
  foreign key (tenant_id, claim_id) references insurance.insurance_claims (tenant_id, id);
alter table insurance.insurance_claim_items add constraint insurance_claim_items_package_fkey
  foreign key (package_id) references insurance.benefit_packages (id);

create index insurance_claim_items_package_idx on insurance.insurance_claim_items (package_id, tenant_id)
  where package_id is not null;
comment on index insurance.insurance_claim_items_package_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table insurance.insurance_claim_items is 'class=phi;scope=tenant;owner=billing;fhir=Claim.item,ClaimResponse.item;retention=medical_record;about=Package lines with stratification, implants and the payer''s decision.';
comment on column insurance.insurance_claim_items.claim_id is 'class=operational;about=The submission.';
comment on column insurance.insurance_claim_items.seq is 'class=operational;about=Number of the line, from 1.';
comment on column insurance.insurance_claim_items.package_id is 'class=operational;about=Package of the plan; its limits hold for the line.';
comment on column insurance.insurance_claim_items.code_system is 'class=phi;about=Code system of the code, as a URL.';
comment on column insurance.insurance_claim_items.code is 'class=phi;about=Package or procedure code that is claimed.';
comment on column insurance.insurance_claim_items.display is 'class=phi;about=Its name.';
comment on column insurance.insurance_claim_items.stratification_code is 'class=phi;about=Stratum, such as the kind of ward.';
comment on column insurance.insurance_claim_items.implant_code is 'class=phi;about=Implant that is claimed with it.';
comment on column insurance.insurance_claim_items.implant_count is 'class=phi;about=How many implants.';
comment on column insurance.insurance_claim_items.cycle_no is 'class=phi;about=Number of the cycle of a cyclic procedure.';
comment on column insurance.insurance_claim_items.quantity is 'class=phi;about=How many.';
comment on column insurance.insurance_claim_items.unit_price is 'class=financial;about=Price of one.';
comment on column insurance.insurance_claim_items.factor is 'class=financial;about=Factor on the price, for example 0.5 for a second procedure.';
comment on column insurance.insurance_claim_items.net is 'class=financial;about=quantity x unit_price x factor, rounded to two places.';
comment on column insurance.insurance_claim_items.serviced_on is 'class=phi;about=Date of the service.';
comment on column insurance.insurance_claim_items.diagnosis_seq is 'class=phi;about=Diagnoses of the claim that justify the line.';
comment on column insurance.insurance_claim_items.charge_item_ids is 'class=operational;about=Charges of the bill that the line stands for (billing.charge_items).';
comment on column insurance.insurance_claim_items.approved_quantity is 'class=financial;about=How many the payer approved.';
comment on column insurance.insurance_claim_items.approved_amount is 'class=financial;about=What the payer approved of net.';
comment on column insurance.insurance_claim_items.decision is 'class=operational;about=approved, partial, rejected or pending; null before an answer.';
comment on column insurance.insurance_claim_items.decision_reason is 'class=phi;about=The payer''s reason.';
select core.comment_standard_columns('insurance.insurance_claim_items');

alter table insurance.insurance_claim_items enable row level security, force row level security;
create policy tenant_isolation on insurance.insurance_claim_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger insurance_claim_items_touch before update on insurance.insurance_claim_items
  for each row execute function core.update_updated_at_column('row_version');
create trigger insurance_claim_items_package_visible before insert or update of package_id on insurance.insurance_claim_items
  for each row execute function core.check_shared_reference('package_id', 'insurance.benefit_packages');
create trigger insurance_claim_items_package before insert or update of
  claim_id, package_id, quantity, implant_count, stratification_code, cycle_no on insurance.insurance_claim_items
  for each row execute function insurance.check_claim_item();
select audit.track('insurance.insurance_claim_items');

-- written by operations only
grant select on insurance.insurance_claim_items to billing_app, billing_ro;
