-- laboratory.lab_orders: the laboratory's copy of an order, or a referral from outside.
--
-- Its row is the lock of everything below it: samples, items, results and report of one order move one at a time.

create table laboratory.lab_orders (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  order_number text not null,
  service_request_id uuid,
  patient_id uuid not null,
  encounter_id uuid,
  clinic_id uuid not null,
  source text not null,
  ordering_doctor_id uuid,
  external_doctor text,
  clinical_info_enc bytea,
  fasting text,
  priority text not null,
  ordered_at timestamptz not null,
  due_at timestamptz not null,
  billed_at timestamptz,
  status text not null default 'registered',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint lab_orders_pkey primary key (tenant_id, id),
  constraint lab_orders_order_number_key unique (tenant_id, order_number),
  constraint lab_orders_source_check check (source in ('opd', 'ipd', 'emergency', 'outside', 'camp')),
  constraint lab_orders_fasting_check check (fasting in ('yes', 'no', 'unknown')),
  constraint lab_orders_priority_check check (priority in ('routine', 'urgent', 'stat')),
  constraint lab_orders_status_check check (
    status in ('registered', 'in_progress', 'cancelled', 'partially_reported', 'completed', 'amended')
  ),
  constraint lab_orders_names_a_requester check (num_nonnulls(ordering_doctor_id, external_doctor) >= 1),
  constraint lab_orders_due_after_order check (due_at > ordered_at)
);

alter table laboratory.lab_orders add constraint lab_orders_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table laboratory.lab_orders add constraint lab_orders_service_request_fkey
  foreign key (tenant_id, service_request_id) references clinical.service_requests (tenant_id, id);
alter table laboratory.lab_orders add constraint lab_orders_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table laboratory.lab_orders add constraint lab_orders_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table laboratory.lab_orders add constraint lab_orders_clinic_fkey
  foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
alter table laboratory.lab_orders add constraint lab_orders_ordering_doctor_fkey
  foreign key (tenant_id, ordering_doctor_id) references workforce.doctors (tenant_id, id);

create unique index lab_orders_one_per_service_request on laboratory.lab_orders (tenant_id, service_request_id)
  where service_request_id is not null;
create index lab_orders_patient_idx on laboratory.lab_orders (tenant_id, patient_id, ordered_at);
create index lab_orders_live_idx on laboratory.lab_orders (tenant_id, due_at)
  where status in ('registered', 'in_progress', 'partially_reported');
create index lab_orders_encounter_idx on laboratory.lab_orders (tenant_id, encounter_id)
  where encounter_id is not null;
create index lab_orders_clinic_idx on laboratory.lab_orders (tenant_id, clinic_id);
create index lab_orders_ordering_doctor_idx on laboratory.lab_orders (tenant_id, ordering_doctor_id)
  where ordering_doctor_id is not null;

comment on table laboratory.lab_orders is 'class=phi;scope=tenant;owner=lab;fhir=ServiceRequest;retention=medical_record;about=The laboratory''s copy of an order (or an outside referral).';
comment on column laboratory.lab_orders.order_number is 'class=phi;about=Number for people.';
comment on column laboratory.lab_orders.service_request_id is 'class=phi;about=The clinical order that it carries out; at most one laboratory order each.';
comment on column laboratory.lab_orders.patient_id is 'class=phi;about=The patient.';
comment on column laboratory.lab_orders.encounter_id is 'class=phi;about=The visit or stay; null for a referral from outside.';
comment on column laboratory.lab_orders.clinic_id is 'class=operational;about=The clinic whose laboratory works on it.';
comment on column laboratory.lab_orders.source is 'class=operational;about=opd, ipd, emergency, outside or camp.';
comment on column laboratory.lab_orders.ordering_doctor_id is 'class=operational;about=Who ordered, when a doctor of the house.';
comment on column laboratory.lab_orders.external_doctor is 'class=phi;about=Who ordered, when from outside; printed on the report.';
comment on column laboratory.lab_orders.clinical_info_enc is 'class=phi;enc=1;about=Clinical information for the laboratory, encrypted by the application.';
comment on column laboratory.lab_orders.fasting is 'class=phi;about=yes, no or unknown.';
comment on column laboratory.lab_orders.priority is 'class=phi;about=routine, urgent or stat; stat orders have their own turnaround.';
comment on column laboratory.lab_orders.ordered_at is 'class=phi;about=When it was ordered.';
comment on column laboratory.lab_orders.due_at is 'class=phi;about=When the last result is promised.';
comment on column laboratory.lab_orders.billed_at is 'class=operational;about=When its charges were put on the account; null when billing had none.';
comment on column laboratory.lab_orders.status is 'class=phi;about=Where the order stands; follows its items.';
select core.comment_standard_columns('laboratory.lab_orders');

alter table laboratory.lab_orders enable row level security, force row level security;
create policy tenant_isolation on laboratory.lab_orders
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger lab_orders_touch before update on laboratory.lab_orders
  for each row execute function core.update_updated_at_column('row_version');
create trigger lab_orders_no_aadhaar before insert or update of external_doctor on laboratory.lab_orders
  for each row execute function core.reject_aadhaar_like('external_doctor');
create trigger lab_orders_transition before insert or update of status on laboratory.lab_orders
  for each row execute function core.enforce_transition('laboratory.lab_orders', 'status');
select audit.track('laboratory.lab_orders');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('laboratory.lab_orders', '', 'registered', false, null),
  ('laboratory.lab_orders', 'registered', 'in_progress', false, null),
  ('laboratory.lab_orders', 'registered', 'cancelled', true, null),
  ('laboratory.lab_orders', 'in_progress', 'partially_reported', false, null),
  ('laboratory.lab_orders', 'in_progress', 'completed', false, null),
  ('laboratory.lab_orders', 'in_progress', 'cancelled', true, null),
  ('laboratory.lab_orders', 'partially_reported', 'completed', false, null),
  ('laboratory.lab_orders', 'completed', 'amended', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on laboratory.lab_orders to lab_app;
grant update (clinical_info_enc, fasting, row_version) on laboratory.lab_orders to lab_app;
grant select on laboratory.lab_orders to lab_ro;
