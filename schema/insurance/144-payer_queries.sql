-- insurance.payer_queries: a payer's question on a submission and our answer, with its clock.
--
-- A submission (one correlation id) is queried once; the answer is the next submission. One that is not answered in
-- time lapses (insurance.lapse_queries), it never stays open silently.

create table insurance.payer_queries (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  claim_id uuid not null,
  query_no smallint not null,
  raised_at timestamptz not null,
  raised_by_role text not null,
  text_enc bytea not null,
  requested_documents jsonb,
  due_at timestamptz not null,
  correlation_id uuid not null,
  answered_at timestamptz,
  answered_by uuid,
  answer_enc bytea,
  answer_document_ids uuid[],
  status text not null default 'open',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint payer_queries_pkey primary key (tenant_id, id),
  constraint payer_queries_number_once unique (tenant_id, claim_id, query_no),
  constraint payer_queries_one_per_submission unique (tenant_id, correlation_id),
  constraint payer_queries_status_known check (status in ('open', 'answered', 'lapsed', 'withdrawn', 'closed')),
  constraint payer_queries_due_after_raised check (due_at > raised_at),
  constraint payer_queries_raised_by_payer check (raised_by_role in ('PPD', 'CPD', 'CEX', 'ACO', 'SHA', 'PAYER')),
  constraint payer_queries_answered_by_someone check (
    status <> 'answered' or (answered_at is not null and answered_by is not null)
  )
);

alter table insurance.payer_queries add constraint payer_queries_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table insurance.payer_queries add constraint payer_queries_claim_fkey
  foreign key (tenant_id, claim_id) references insurance.insurance_claims (tenant_id, id);
alter table insurance.payer_queries add constraint payer_queries_answered_by_fkey
  foreign key (tenant_id, answered_by) references auth.users (tenant_id, id);

create index payer_queries_open_idx on insurance.payer_queries (tenant_id, due_at) where status = 'open';
create index payer_queries_answered_by_idx on insurance.payer_queries (tenant_id, answered_by)
  where answered_by is not null;

comment on table insurance.payer_queries is 'class=phi;scope=tenant;owner=billing;fhir=CommunicationRequest,Communication;retention=medical_record;about=A payer''s question on a claim and our answer, with its clock.';
comment on column insurance.payer_queries.claim_id is 'class=operational;about=The submission that is asked about.';
comment on column insurance.payer_queries.query_no is 'class=operational;about=Number of the query on it, from 1.';
comment on column insurance.payer_queries.raised_at is 'class=operational;about=When the payer asked.';
comment on column insurance.payer_queries.raised_by_role is 'class=operational;about=Who asked: PPD, CPD, CEX, ACO, SHA or PAYER.';
comment on column insurance.payer_queries.text_enc is 'class=phi;enc=1;about=The question, encrypted.';
comment on column insurance.payer_queries.requested_documents is 'class=phi;about=Papers that the payer wants.';
comment on column insurance.payer_queries.due_at is 'class=operational;about=Until when it must be answered; computed from insurance.payers.';
comment on column insurance.payer_queries.correlation_id is 'class=operational;about=Correlation id of the submission that was queried; an answer to it that comes late is recognised by this.';
comment on column insurance.payer_queries.answered_at is 'class=operational;about=When it was answered.';
comment on column insurance.payer_queries.answered_by is 'class=operational;about=Who answered.';
comment on column insurance.payer_queries.answer_enc is 'class=phi;enc=1;about=The answer, encrypted.';
comment on column insurance.payer_queries.answer_document_ids is 'class=operational;about=Papers that were sent with it (insurance.claim_documents).';
comment on column insurance.payer_queries.status is 'class=operational;about=open, answered, lapsed (not answered in time), withdrawn (decided without) or closed.';
select core.comment_standard_columns('insurance.payer_queries');

alter table insurance.payer_queries enable row level security, force row level security;
create policy tenant_isolation on insurance.payer_queries
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger payer_queries_touch before update on insurance.payer_queries
  for each row execute function core.update_updated_at_column('row_version');
create trigger payer_queries_transition before insert or update of status on insurance.payer_queries
  for each row execute function core.enforce_transition('insurance.payer_queries', 'status');
select audit.track('insurance.payer_queries');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.payer_queries', '', 'open', false, null),
  ('insurance.payer_queries', 'open', 'answered', false, null),
  ('insurance.payer_queries', 'open', 'lapsed', false, null),
  ('insurance.payer_queries', 'open', 'withdrawn', false, null),
  ('insurance.payer_queries', 'answered', 'closed', false, null),
  ('insurance.payer_queries', 'answered', 'open', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- written by operations only
grant select on insurance.payer_queries to billing_app, billing_ro;
