-- payment.payment_methods: instruments that a patient saved, as tokens of the provider.
--
-- No card number, verification value, track or PIN is ever kept, and no column could hold one: a token that looks like a
-- card number is refused.

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
  constraint payment_methods_last4_digits check (last4 ~ '^[0-9]{4}$'),
  constraint payment_methods_token_is_no_card_number check (not core.looks_like_pan(token)),
  constraint payment_methods_no_card_number check (not core.looks_like_pan(brand) and not core.looks_like_pan(delete_reason)),
  constraint payment_methods_exp_month_range check (exp_month between 1 and 12),
  constraint payment_methods_exp_year_range check (exp_year between 2000 and 2100)
);

alter table payment.payment_methods add constraint payment_methods_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table payment.payment_methods add constraint payment_methods_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table payment.payment_methods add constraint payment_methods_provider_fkey
  foreign key (tenant_id, provider_id) references payment.payment_providers (tenant_id, id);

create unique index payment_methods_provider_token_key on payment.payment_methods (tenant_id, provider_id, token)
  where deleted_at is null;
create unique index payment_methods_one_default on payment.payment_methods (tenant_id, patient_id)
  where is_default and deleted_at is null;
create index payment_methods_patient_idx on payment.payment_methods (tenant_id, patient_id);
create index payment_methods_provider_idx on payment.payment_methods (tenant_id, provider_id);

comment on table payment.payment_methods is 'class=financial;scope=tenant;owner=payment_gateway;fhir=none;retention=financial;about=Saved instruments as provider tokens.';
comment on column payment.payment_methods.patient_id is 'class=financial;about=Whose instrument it is.';
comment on column payment.payment_methods.provider_id is 'class=operational;about=The provider that gave the token.';
comment on column payment.payment_methods.token is 'class=financial;about=The provider''s token for the instrument.';
comment on column payment.payment_methods.brand is 'class=financial;about=Brand that people know it by, such as RuPay.';
comment on column payment.payment_methods.last4 is 'class=financial;about=Last four digits, all that is kept of a card number.';
comment on column payment.payment_methods.exp_month is 'class=financial;about=Month in which the card expires.';
comment on column payment.payment_methods.exp_year is 'class=financial;about=Year in which the card expires.';
comment on column payment.payment_methods.upi_vpa_enc is 'class=financial;enc=1;about=UPI address, encrypted by the application.';
comment on column payment.payment_methods.consent_at is 'class=financial;about=When the patient agreed that it is saved.';
comment on column payment.payment_methods.is_default is 'class=operational;about=True for the one that is offered first.';
select core.comment_standard_columns('payment.payment_methods');

alter table payment.payment_methods enable row level security, force row level security;
create policy tenant_isolation on payment.payment_methods
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger payment_methods_touch before update on payment.payment_methods
  for each row execute function core.update_updated_at_column();
select audit.track('payment.payment_methods');

grant select, insert, update on payment.payment_methods to payment_gateway_app;
grant select on payment.payment_methods to payment_gateway_ro;
