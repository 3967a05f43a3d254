-- payment.disputes: chargebacks. The payment stays disputed until the dispute is decided; money that is lost counts as
-- refunded.

create table payment.disputes (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  payment_id uuid not null,
  provider_ref text not null,
  reason_code text not null,
  amount numeric(14, 2) not null,
  respond_by timestamptz not null,
  evidence_document_id uuid,
  outcome text,
  status text not null default 'opened',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint disputes_pkey primary key (tenant_id, id),
  constraint disputes_no_nan check (amount <> 'NaN'),
  constraint disputes_once_per_reference unique (tenant_id, provider_ref),
  constraint disputes_status_check check (status in ('opened', 'evidence_submitted', 'accepted', 'won', 'lost')),
  constraint disputes_amount_positive check (amount > 0),
  constraint disputes_evidence_is_named check (status <> 'evidence_submitted' or evidence_document_id is not null),
  constraint disputes_decided_has_outcome check (status not in ('won', 'lost', 'accepted') or outcome is not null),
  constraint disputes_no_card_number check (
    (provider_ref !~ '\s|[0-9]-[0-9]' or not core.looks_like_pan(provider_ref)) and not core.looks_like_pan(reason_code) and not core.looks_like_pan(outcome)
  )
);

alter table payment.disputes add constraint disputes_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table payment.disputes add constraint disputes_payment_fkey
  foreign key (tenant_id, payment_id) references payment.payments (tenant_id, id);
alter table payment.disputes add constraint disputes_evidence_document_fkey
  foreign key (tenant_id, evidence_document_id) references ehr.documents (tenant_id, id);

create unique index disputes_one_open_per_payment on payment.disputes (tenant_id, payment_id)
  where status in ('opened', 'evidence_submitted');
create index disputes_deadline_idx on payment.disputes (tenant_id, respond_by) where status = 'opened';
create index disputes_payment_idx on payment.disputes (tenant_id, payment_id);
create index disputes_evidence_document_idx on payment.disputes (tenant_id, evidence_document_id)
  where evidence_document_id is not null;

comment on table payment.disputes is 'class=financial;scope=tenant;owner=payment_gateway;fhir=none;retention=financial;about=Chargebacks.';
comment on column payment.disputes.payment_id is 'class=financial;about=The payment that is disputed.';
comment on column payment.disputes.provider_ref is 'class=financial;about=The provider''s reference of the dispute.';
comment on column payment.disputes.reason_code is 'class=operational;about=The provider''s code of the reason.';
comment on column payment.disputes.amount is 'class=financial;about=How much is disputed.';
comment on column payment.disputes.respond_by is 'class=financial;about=When the answer is due.';
comment on column payment.disputes.evidence_document_id is 'class=financial;about=The document that was sent as evidence.';
comment on column payment.disputes.outcome is 'class=financial;about=What was decided, in words.';
comment on column payment.disputes.status is 'class=financial;about=opened, evidence_submitted, accepted (not contested), won, lost.';
select core.comment_standard_columns('payment.disputes');

alter table payment.disputes enable row level security, force row level security;
create policy tenant_isolation on payment.disputes
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger disputes_touch before update on payment.disputes
  for each row execute function core.update_updated_at_column('row_version');
create trigger disputes_transition before insert or update of status on payment.disputes
  for each row execute function core.enforce_transition('payment.disputes', 'status');
select audit.track('payment.disputes');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('payment.disputes', '', 'opened', false, null),
  ('payment.disputes', 'opened', 'evidence_submitted', false, null),
  ('payment.disputes', 'opened', 'accepted', false, null),
  ('payment.disputes', 'evidence_submitted', 'won', false, null),
  ('payment.disputes', 'evidence_submitted', 'lost', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on payment.disputes to payment_gateway_app, payment_gateway_ro;
