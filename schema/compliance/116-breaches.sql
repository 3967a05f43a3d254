-- compliance.breaches: Personal-data breach register with its clocks.
-- NOTE: Generated columns expose cert_in_due_at = discovered_at + 6 h and board_due_at = discovered_at + 72 h.

create table compliance.breaches (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  breach_number text not null,
  discovered_at timestamptz not null,
  occurred_from timestamptz,
  occurred_to timestamptz,
  nature text not null,
  categories text[] not null default '{}',
  affected_count integer not null,
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
  status text not null default 'open',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint breaches_pkey primary key (tenant_id, id),
  constraint breaches_breach_number_key unique (tenant_id, breach_number),
  constraint breaches_status_check check (status in ('open', 'contained', 'reported', 'closed')),
  constraint breaches_board_detailed_at_rule check (board_detailed_at >= board_initial_at),
  constraint breaches_closed_complete check (
    status <> 'closed' or (board_initial_at is not null and board_detailed_at is not null and principals_notified_at is not null and root_cause is not null)
  )
);

alter table compliance.breaches add constraint breaches_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table compliance.breaches add constraint breaches_incident_fkey
  foreign key (tenant_id, incident_id) references compliance.incidents (tenant_id, id);

create index breaches_incident_idx on compliance.breaches (tenant_id, incident_id)
  where incident_id is not null;

comment on table compliance.breaches is 'class=operational;scope=tenant;owner=business;fhir=AuditEvent;retention=operational;about=Personal-data breach register with its clocks.';
comment on column compliance.breaches.breach_number is 'class=operational;about=?';
comment on column compliance.breaches.discovered_at is 'class=operational;about=?';
comment on column compliance.breaches.occurred_from is 'class=operational;about=?';
comment on column compliance.breaches.occurred_to is 'class=operational;about=?';
comment on column compliance.breaches.nature is 'class=operational;about=?';
comment on column compliance.breaches.categories is 'class=operational;about=?';
comment on column compliance.breaches.affected_count is 'class=operational;about=?';
comment on column compliance.breaches.systems is 'class=operational;about=?';
comment on column compliance.breaches.likely_impact is 'class=operational;about=?';
comment on column compliance.breaches.cert_in_reported_at is 'class=operational;about=?';
comment on column compliance.breaches.board_initial_at is 'class=operational;about=?';
comment on column compliance.breaches.board_detailed_at is 'class=operational;about=?';
comment on column compliance.breaches.principals_notified_at is 'class=operational;about=?';
comment on column compliance.breaches.hhs_reported_at is 'class=operational;about=?';
comment on column compliance.breaches.root_cause is 'class=operational;about=?';
comment on column compliance.breaches.measures is 'class=operational;about=?';
comment on column compliance.breaches.incident_id is 'class=operational;about=?';
comment on column compliance.breaches.status is 'class=operational;about=?';
select core.comment_standard_columns('compliance.breaches');

alter table compliance.breaches enable row level security;
alter table compliance.breaches force row level security;
create policy tenant_isolation on compliance.breaches
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger breaches_touch before update on compliance.breaches
  for each row execute function core.update_updated_at_column('row_version');
create trigger breaches_transition before insert or update of status on compliance.breaches
  for each row execute function core.enforce_transition('compliance.breaches', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('compliance.breaches', '', 'open', false, null),
  ('compliance.breaches', 'open', 'contained', false, null),
  ('compliance.breaches', 'contained', 'reported', false, null),
  ('compliance.breaches', 'reported', 'closed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on compliance.breaches to business_app;
grant select on compliance.breaches to business_ro;
