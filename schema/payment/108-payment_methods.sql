-- payment.payment_methods: Saved instruments as provider tokens.
-- RULE to build: no column for CVV, track or PIN exists

create table payment.payment_methods (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  provider_id uuid not null,
  token text not null,
  brand text,
  last4 text,
  exp_month smallint,
  exp_year smallint,
  upi_vpa_enc bytea,
  consent_at timestamptz not null,
  is_default boolean not null default false,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint payment_methods_pkey primary key (tenant_id, id),
  constraint payment_methods_last4_length check (length(last4) = 4),
  constraint payment_methods_last4_rule check (last4 ~ '^[0-9]{4}$'),
  constraint payment_methods_core_rule check (not core.looks_like_pan(token))
);

alter table payment.payment_methods add constraint payment_methods_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table payment.payment_methods add constraint payment_methods_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table payment.payment_methods add constraint payment_methods_provider_fkey
  foreign key (tenant_id, provider_id) references payment.payment_providers (tenant_id, id);

create unique index payment_methods_provider_token_key on payment.payment_methods (tenant_id, provider_id, token)
  where deleted_at is null;
create index payment_methods_patient_idx on payment.payment_methods (tenant_id, patient_id);
create index payment_methods_provider_idx on payment.payment_methods (tenant_id, provider_id);

comment on table payment.payment_methods is 'class=financial;scope=tenant;owner=payment_gateway;fhir=none;retention=financial;about=Saved instruments as provider tokens.';
comment on column payment.payment_methods.patient_id is 'class=financial;about=The patient.';
comment on column payment.payment_methods.provider_id is 'class=financial;about=?';
comment on column payment.payment_methods.token is 'class=financial;about=?';
comment on column payment.payment_methods.brand is 'class=financial;about=?';
comment on column payment.payment_methods.last4 is 'class=financial;about=?';
comment on column payment.payment_methods.exp_month is 'class=financial;about=?';
comment on column payment.payment_methods.exp_year is 'class=financial;about=?';
comment on column payment.payment_methods.upi_vpa_enc is 'class=financial;enc=1;about=?';
comment on column payment.payment_methods.consent_at is 'class=financial;about=?';
comment on column payment.payment_methods.is_default is 'class=financial;about=?';
select core.comment_standard_columns('payment.payment_methods');

alter table payment.payment_methods enable row level security;
alter table payment.payment_methods force row level security;
create policy tenant_isolation on payment.payment_methods
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger payment_methods_touch before update on payment.payment_methods
  for each row execute function core.update_updated_at_column();
select audit.track('payment.payment_methods');

grant select, insert, update on payment.payment_methods to payment_gateway_app;
grant select on payment.payment_methods to payment_gateway_ro;
