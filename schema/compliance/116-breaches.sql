-- compliance.breaches: the register of personal-data breaches with its clocks: CERT-In within 6 hours, the Data Protection Board
-- in detail within 72 hours, every affected person without delay. Closed only when all of it is done and the cause is known.

create table compliance.breaches (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  breach_number text not null,
  discovered_at timestamptz not null,
  occurred_from timestamptz,
  occurred_to timestamptz,
  nature text not null,
  categories text[] not null default '{}',
  affected_count integer not null default 0,
  systems text[] not null default '{}',
  likely_impact text,
  cert_in_reported_at timestamptz,
  board_initial_at timestamptz,
  board_detailed_at timestamptz,
  principals_notified_at timestamptz,
  hhs_reported_at timestamptz,
  root_cause text,
  measures text,
  incident_id uuid,
  -- computed in UTC, where adding hours is immutable
  cert_in_due_at timestamptz generated always as (
    (discovered_at at time zone 'UTC' + interval '6 hours') at time zone 'UTC'
  ) stored,
  board_due_at timestamptz generated always as (
    (discovered_at at time zone 'UTC' + interval '72 hours') at time zone 'UTC'
  ) stored,
  status text not null default 'open',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint breaches_pkey primary key (tenant_id, id),
  constraint breaches_number_key unique (tenant_id, breach_number),
  constraint breaches_status_check check (status in ('open', 'contained', 'reported', 'closed')),
  constraint breaches_details_after_first_report check (board_detailed_at >= board_initial_at),
  constraint breaches_closed_when_all_is_done check (
    status <> 'closed'
    or (
      board_initial_at is not null and board_detailed_at is not null and principals_notified_at is not null
      and root_cause is not null
    )
  ),
  constraint breaches_reported_after_discovery check (
    least(cert_in_reported_at, board_initial_at, principals_notified_at, hhs_reported_at) >= discovered_at
  ),
  constraint breaches_end_after_begin check (occurred_to >= occurred_from),
  constraint breaches_discovered_after_begin check (discovered_at >= occurred_from),
  constraint breaches_count_not_negative check (affected_count >= 0)
);

alter table compliance.breaches add constraint breaches_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table compliance.breaches add constraint breaches_incident_fkey
  foreign key (tenant_id, incident_id) references compliance.incidents (tenant_id, id);

create index breaches_open_idx on compliance.breaches (tenant_id, discovered_at) where status <> 'closed';
create index breaches_incident_idx on compliance.breaches (tenant_id, incident_id)
  where incident_id is not null;

comment on table compliance.breaches is 'class=operational;scope=tenant;owner=business;fhir=AuditEvent;retention=operational;about=Register of personal-data breaches with their clocks.';
comment on column compliance.breaches.breach_number is 'class=operational;about=Number of the register, BR-YY-n.';
comment on column compliance.breaches.discovered_at is 'class=operational;about=When the hospital became aware of it: the clocks start.';
comment on column compliance.breaches.occurred_from is 'class=operational;about=When it began, if that is known.';
comment on column compliance.breaches.occurred_to is 'class=operational;about=When it ended.';
comment on column compliance.breaches.nature is 'class=operational;about=What happened, without names of persons.';
comment on column compliance.breaches.categories is 'class=operational;about=Kinds of data: contact, identity, health, financial ...';
comment on column compliance.breaches.affected_count is 'class=operational;about=How many persons, as far as is known.';
comment on column compliance.breaches.systems is 'class=operational;about=Systems that it happened in.';
comment on column compliance.breaches.likely_impact is 'class=operational;about=What may follow for the persons.';
comment on column compliance.breaches.cert_in_reported_at is 'class=operational;about=When it was reported to CERT-In.';
comment on column compliance.breaches.board_initial_at is 'class=operational;about=When the Board was told.';
comment on column compliance.breaches.board_detailed_at is 'class=operational;about=When the Board had the details.';
comment on column compliance.breaches.principals_notified_at is 'class=operational;about=When every affected person had been told.';
comment on column compliance.breaches.hhs_reported_at is 'class=operational;about=When it was reported to HHS, where HIPAA applies.';
comment on column compliance.breaches.root_cause is 'class=operational;about=Why it happened.';
comment on column compliance.breaches.measures is 'class=operational;about=What was done against it, and so that it does not happen again.';
comment on column compliance.breaches.incident_id is 'class=operational;about=The incident that it was noticed as.';
comment on column compliance.breaches.cert_in_due_at is 'class=operational;about=Six hours after discovery.';
comment on column compliance.breaches.board_due_at is 'class=operational;about=72 hours after discovery.';
comment on column compliance.breaches.status is 'class=operational;about=open, contained, reported or closed.';
select core.comment_standard_columns('compliance.breaches');

alter table compliance.breaches enable row level security, force row level security;
create policy tenant_isolation on compliance.breaches
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger breaches_everybody_told before update of status on compliance.breaches
  for each row when (new.status = 'closed' and old.status <> 'closed')
  execute function compliance.check_everybody_told();
create trigger breaches_no_aadhaar before insert or update of nature, root_cause, measures on compliance.breaches
  for each row execute function core.reject_aadhaar_like('nature', 'root_cause', 'measures');
create trigger breaches_touch before update on compliance.breaches
  for each row execute function core.update_updated_at_column('row_version');
create trigger breaches_transition before insert or update of status on compliance.breaches
  for each row execute function core.enforce_transition('compliance.breaches', 'status');
create trigger breaches_first_state after insert on compliance.breaches
  for each row execute function core.announce_first_state('compliance.breaches');
select audit.track('compliance.breaches');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('compliance.breaches', '', 'open', false, 'breach.opened.v1'),
  ('compliance.breaches', 'open', 'contained', false, null),
  ('compliance.breaches', 'contained', 'reported', false, null),
  ('compliance.breaches', 'reported', 'closed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on compliance.breaches to business_app;
grant select on compliance.breaches to business_ro;
