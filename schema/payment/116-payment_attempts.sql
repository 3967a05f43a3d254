-- payment.payment_attempts: Each try at a provider with its reference and redacted answer.
-- RULE to build: response_redacted passes core.assert_no_pan()

create table payment.payment_attempts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  intent_id uuid not null,
  attempt_no smallint not null,
  provider_id uuid not null,
  provider_ref text,
  started_at timestamptz not null,
  finished_at timestamptz,
  outcome text not null,
  error_code text,
  response_redacted jsonb not null default '{}',
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint payment_attempts_pkey primary key (tenant_id, id),
  constraint payment_attempts_intent_attempt_no_key unique (tenant_id, intent_id, attempt_no),
  constraint payment_attempts_outcome_check check (
    outcome in ('authorised', 'captured', 'declined', 'error', 'timeout', 'unknown')
  )
);

alter table payment.payment_attempts add constraint payment_attempts_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table payment.payment_attempts add constraint payment_attempts_intent_fkey
  foreign key (tenant_id, intent_id) references payment.payment_intents (tenant_id, id);
alter table payment.payment_attempts add constraint payment_attempts_provider_fkey
  foreign key (tenant_id, provider_id) references payment.payment_providers (tenant_id, id);

create unique index payment_attempts_provider_provider_ref_key on payment.payment_attempts (tenant_id, provider_id, provider_ref)
  where provider_ref is not null;
create index payment_attempts_provider_idx on payment.payment_attempts (tenant_id, provider_id);

comment on table payment.payment_attempts is 'class=financial;scope=tenant;owner=payment_gateway;fhir=none;retention=financial;append_only=1;about=Each try at a provider with its reference and redacted answer.';
comment on column payment.payment_attempts.intent_id is 'class=financial;about=?';
comment on column payment.payment_attempts.attempt_no is 'class=financial;about=?';
comment on column payment.payment_attempts.provider_id is 'class=financial;about=?';
comment on column payment.payment_attempts.provider_ref is 'class=financial;about=?';
comment on column payment.payment_attempts.started_at is 'class=financial;about=?';
comment on column payment.payment_attempts.finished_at is 'class=financial;about=?';
comment on column payment.payment_attempts.outcome is 'class=financial;about=?';
comment on column payment.payment_attempts.error_code is 'class=financial;about=?';
comment on column payment.payment_attempts.response_redacted is 'class=financial;about=?';
select core.comment_standard_columns('payment.payment_attempts');

alter table payment.payment_attempts enable row level security;
alter table payment.payment_attempts force row level security;
create policy tenant_isolation on payment.payment_attempts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger payment_attempts_append_only before update or delete on payment.payment_attempts
  for each row execute function core.refuse_change();
create trigger payment_attempts_no_truncate before truncate on payment.payment_attempts
  for each statement execute function core.refuse_change();
select audit.track('payment.payment_attempts');

grant select, insert on payment.payment_attempts to payment_gateway_app;
grant select on payment.payment_attempts to payment_gateway_ro;
