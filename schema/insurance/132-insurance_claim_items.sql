-- insurance.insurance_claim_items: Package lines with stratification, implants and the payer's decision.
-- RULE to build: quantity <= package.quantity_allowed
-- RULE to build: implant_count <= package.maximum_implants_allowed
-- RULE to build: medical and surgical packages not mixed in one pre-auth unless the package allows (trigger IM620)

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
  implant_count smallint not null,
  cycle_no smallint,
  quantity numeric(8, 2) not null,
  unit_price numeric(14, 2) not null,
  factor numeric(6, 4) not null,
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
  constraint insurance_claim_items_claim_seq_key unique (tenant_id, claim_id, seq),
  constraint insurance_claim_items_claim_code_system_key unique (tenant_id, claim_id, code_system, code, cycle_no),
  constraint insurance_claim_items_decision_check check (decision in ('approved', 'partial', 'rejected', 'pending')),
  constraint insurance_claim_items_net_rule check (net = round(quantity*unit_price*factor,2)),
  constraint insurance_claim_items_approved_amount_rule check (approved_amount <= net)
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
comment on column insurance.insurance_claim_items.claim_id is 'class=phi;about=?';
comment on column insurance.insurance_claim_items.seq is 'class=phi;about=?';
comment on column insurance.insurance_claim_items.package_id is 'class=phi;about=?';
comment on column insurance.insurance_claim_items.code_system is 'class=phi;about=Code system of the code, as a URL.';
comment on column insurance.insurance_claim_items.code is 'class=phi;about=?';
comment on column insurance.insurance_claim_items.display is 'class=phi;about=?';
comment on column insurance.insurance_claim_items.stratification_code is 'class=phi;about=?';
comment on column insurance.insurance_claim_items.implant_code is 'class=phi;about=?';
comment on column insurance.insurance_claim_items.implant_count is 'class=phi;about=?';
comment on column insurance.insurance_claim_items.cycle_no is 'class=phi;about=?';
comment on column insurance.insurance_claim_items.quantity is 'class=phi;about=?';
comment on column insurance.insurance_claim_items.unit_price is 'class=phi;about=?';
comment on column insurance.insurance_claim_items.factor is 'class=phi;about=?';
comment on column insurance.insurance_claim_items.net is 'class=phi;about=?';
comment on column insurance.insurance_claim_items.serviced_on is 'class=phi;about=?';
comment on column insurance.insurance_claim_items.diagnosis_seq is 'class=phi;about=?';
comment on column insurance.insurance_claim_items.charge_item_ids is 'class=phi;about=?';
comment on column insurance.insurance_claim_items.approved_quantity is 'class=phi;about=?';
comment on column insurance.insurance_claim_items.approved_amount is 'class=phi;about=?';
comment on column insurance.insurance_claim_items.decision is 'class=phi;about=?';
comment on column insurance.insurance_claim_items.decision_reason is 'class=phi;about=?';
select core.comment_standard_columns('insurance.insurance_claim_items');

alter table insurance.insurance_claim_items enable row level security;
alter table insurance.insurance_claim_items force row level security;
create policy tenant_isolation on insurance.insurance_claim_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger insurance_claim_items_touch before update on insurance.insurance_claim_items
  for each row execute function core.update_updated_at_column('row_version');
create trigger insurance_claim_items_package_visible before insert or update of package_id on insurance.insurance_claim_items
  for each row execute function core.check_shared_reference('package_id', 'insurance.benefit_packages');
select audit.track('insurance.insurance_claim_items');

grant select, insert, update on insurance.insurance_claim_items to billing_app;
grant select on insurance.insurance_claim_items to billing_ro;
