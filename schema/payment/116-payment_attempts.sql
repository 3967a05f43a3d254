-- payment.payment_attempts: each answer of a provider about an intent, with its reference and what it said, redacted.
--
-- A provider may answer twice about one reference (authorised, then captured): those are two rows. The same answer again is
-- the same row. A reference that a provider issues may be a number that passes for one of a card; one in pieces is checked.

create table payment.payment_attempts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  intent_id uuid not null,
  attempt_no smallint not null,
  provider_id uuid not null,
  provider_ref text,
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  outcome text not null,
  amount numeric(14, 2),
  error_code text,
  response_redacted jsonb not null default '{}',
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint payment_attempts_pkey primary key (tenant_id, id),
  constraint payment_attempts_no_nan check (amount <> 'NaN'),
  constraint payment_attempts_intent_attempt_no_key unique (tenant_id, intent_id, attempt_no),
  constraint payment_attempts_outcome_check check (
    outcome in ('authorised', 'captured', 'declined', 'error', 'timeout', 'unknown')
  ),
  constraint payment_attempts_amount_positive check (amount > 0),
  constraint payment_attempts_captured_has_reference check (outcome <> 'captured' or (provider_ref is not null and amount is not null)),
  constraint payment_attempts_no_card_number check (
    core.assert_no_pan(response_redacted) and not core.looks_like_pan(error_code) and (provider_ref !~ '\s|[0-9]-[0-9]' or not core.looks_like_pan(provider_ref))
  )
);

alter table payment.payment_attempts add constraint payment_attempts_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table payment.payment_attempts add constraint payment_attempts_intent_fkey
  foreign key (tenant_id, intent_id) references payment.payment_intents (tenant_id, id);
alter table payment.payment_attempts add constraint payment_attempts_provider_fkey
  foreign key (tenant_id, provider_id) references payment.payment_providers (tenant_id, id);

create unique index payment_attempts_answer_once on payment.payment_attempts (tenant_id, provider_id, provider_ref, outcome)
  where provider_ref is not null;
create index payment_attempts_provider_idx on payment.payment_attempts (tenant_id, provider_id, provider_ref);

comment on table payment.payment_attempts is 'class=financial;scope=tenant;owner=payment_gateway;fhir=none;retention=financial;append_only=1;about=Each try at a provider with its reference and redacted answer.';
comment on column payment.payment_attempts.intent_id is 'class=financial;about=The intent that was tried.';
comment on column payment.payment_attempts.attempt_no is 'class=operational;about=Answer, counted from 1.';
comment on column payment.payment_attempts.provider_id is 'class=operational;about=The provider that answered.';
comment on column payment.payment_attempts.provider_ref is 'class=financial;about=The provider''s reference of the try.';
comment on column payment.payment_attempts.started_at is 'class=financial;about=When the answer was recorded.';
comment on column payment.payment_attempts.finished_at is 'class=financial;about=When the provider decided, by its own clock.';
comment on column payment.payment_attempts.outcome is 'class=financial;about=authorised, captured (the money is taken), declined, error, timeout or unknown.';
comment on column payment.payment_attempts.error_code is 'class=operational;about=The provider''s code of a failure.';
comment on column payment.payment_attempts.response_redacted is 'class=financial;about=What the provider sent, without card data.';
comment on column payment.payment_attempts.amount is 'class=financial;about=The amount that the provider spoke of.';
select core.comment_standard_columns('payment.payment_attempts');

alter table payment.payment_attempts enable row level security, force row level security;
create policy tenant_isolation on payment.payment_attempts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger payment_attempts_append_only before update or delete on payment.payment_attempts
  for each row execute function core.refuse_change();
create trigger payment_attempts_no_truncate before truncate on payment.payment_attempts
  for each statement execute function core.refuse_change();
select audit.track('payment.payment_attempts');

grant select on payment.payment_attempts to payment_gateway_app, payment_gateway_ro;
