-- insurance.adjudication_events: every step of a case or submission, with role and time. Append-only.
--
-- insurance.move_claim and insurance.move_case write it together with the state, so there is one row per change of
-- state; an answer that moves nothing leaves a row as well. Turn-around reports read this table.

create table insurance.adjudication_events (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  case_id uuid,
  claim_id uuid,
  occurred_at timestamptz not null default now(),
  from_status text,
  to_status text not null,
  actor_role text not null,
  actor_name text,
  actor_user_id uuid,
  workflow_code text,
  amount numeric(14, 2),
  remarks text,
  message_id uuid,
  raw jsonb,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint adjudication_events_pkey primary key (tenant_id, id),
  constraint adjudication_events_no_nan check (amount <> 'NaN'),
  constraint adjudication_events_actor_role_known check (
    actor_role in ('PMAM', 'MEDCO', 'PPD', 'CPD', 'CEX', 'ACO', 'SHA', 'PAYER', 'SYSTEM', 'PROVIDER')
  ),
  constraint adjudication_events_of_case_or_claim check (num_nonnulls(case_id, claim_id) >= 1)
);

alter table insurance.adjudication_events add constraint adjudication_events_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table insurance.adjudication_events add constraint adjudication_events_case_fkey
  foreign key (tenant_id, case_id) references insurance.pmjay_cases (tenant_id, id);
alter table insurance.adjudication_events add constraint adjudication_events_claim_fkey
  foreign key (tenant_id, claim_id) references insurance.insurance_claims (tenant_id, id);
alter table insurance.adjudication_events add constraint adjudication_events_actor_user_fkey
  foreign key (tenant_id, actor_user_id) references auth.users (tenant_id, id);
alter table insurance.adjudication_events add constraint adjudication_events_message_fkey
  foreign key (tenant_id, message_id) references insurance.nhcx_messages (tenant_id, id);

create index adjudication_events_case_idx on insurance.adjudication_events (tenant_id, case_id, occurred_at)
  where case_id is not null;
create index adjudication_events_claim_idx on insurance.adjudication_events (tenant_id, claim_id, occurred_at)
  where claim_id is not null;
create index adjudication_events_actor_user_idx on insurance.adjudication_events (tenant_id, actor_user_id)
  where actor_user_id is not null;
create index adjudication_events_message_idx on insurance.adjudication_events (tenant_id, message_id)
  where message_id is not null;

comment on table insurance.adjudication_events is 'class=phi;scope=tenant;owner=billing;fhir=Task,ClaimResponse.processNote;retention=medical_record;append_only=1;about=Every step of a case or claim with role and time; what turn-around reports read.';
comment on column insurance.adjudication_events.case_id is 'class=operational;about=The case, where there is one.';
comment on column insurance.adjudication_events.claim_id is 'class=operational;about=The submission; null for a step of the case itself.';
comment on column insurance.adjudication_events.occurred_at is 'class=operational;about=When it happened.';
comment on column insurance.adjudication_events.from_status is 'class=operational;about=State before; null when the row was made.';
comment on column insurance.adjudication_events.to_status is 'class=operational;about=State after; the same as from_status for an answer that moved nothing.';
comment on column insurance.adjudication_events.actor_role is 'class=operational;about=PMAM, MEDCO (hospital, scheme roles), PPD, CPD, CEX, ACO, SHA (scheme), PAYER, PROVIDER (hospital) or SYSTEM.';
comment on column insurance.adjudication_events.actor_name is 'class=pii;about=Name that the payer gave.';
comment on column insurance.adjudication_events.actor_user_id is 'class=operational;about=Our user, where one acted.';
comment on column insurance.adjudication_events.workflow_code is 'class=operational;about=NHCX workflow id of the submission at that moment.';
comment on column insurance.adjudication_events.amount is 'class=financial;about=Claimed, approved or paid amount that goes with the step.';
comment on column insurance.adjudication_events.remarks is 'class=phi;about=Remarks of the payer or of our user.';
comment on column insurance.adjudication_events.message_id is 'class=operational;about=The envelope that brought it.';
comment on column insurance.adjudication_events.raw is 'class=phi;about=The answer as it was parsed, for an envelope.';
select core.comment_standard_columns('insurance.adjudication_events');

alter table insurance.adjudication_events enable row level security, force row level security;
create policy tenant_isolation on insurance.adjudication_events
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger adjudication_events_append_only before update or delete on insurance.adjudication_events
  for each row execute function core.refuse_change();
create trigger adjudication_events_no_truncate before truncate on insurance.adjudication_events
  for each statement execute function core.refuse_change();
select audit.track('insurance.adjudication_events');

-- written by operations only
grant select on insurance.adjudication_events to billing_app, billing_ro;
