-- audit.break_glass_sessions: emergency access to one patient's record, with a reason, at most 4 hours, always
-- reviewed by somebody else.

create table audit.break_glass_sessions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  user_id uuid not null,
  patient_id uuid not null,
  reason_code text not null,
  reason_text text not null,
  opened_at timestamptz not null default now(),
  expires_at timestamptz not null default now() + interval '1 hour',
  closed_at timestamptz,
  reviewed_by uuid,
  reviewed_at timestamptz,
  review_outcome text,
  status text not null default 'open',
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint break_glass_sessions_pkey primary key (tenant_id, id),
  constraint break_glass_sessions_reason_given check (length(btrim(reason_text)) >= 10),
  constraint break_glass_sessions_at_most_4_hours check (
    expires_at > opened_at and expires_at <= opened_at + interval '4 hours'
  ),
  constraint break_glass_sessions_outcome_known check (review_outcome in ('justified', 'unjustified', 'escalated')),
  constraint break_glass_sessions_reviewed_by_other check (reviewed_by <> user_id),
  constraint break_glass_sessions_review_whole check (
    (status = 'reviewed') = (reviewed_by is not null and reviewed_at is not null and review_outcome is not null)
  ),
  constraint break_glass_sessions_status_known check (status in ('open', 'closed', 'expired', 'reviewed'))
);

alter table audit.break_glass_sessions add constraint break_glass_sessions_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

create unique index break_glass_sessions_open_key
  on audit.break_glass_sessions (tenant_id, user_id, patient_id) where status = 'open';

create index break_glass_sessions_unreviewed_idx
  on audit.break_glass_sessions (tenant_id, opened_at) where status in ('open', 'closed', 'expired');

comment on table audit.break_glass_sessions is 'class=operational;scope=tenant;owner=kernel;fhir=Provenance;retention=audit_7y;about=Emergency access to one patient''s record, always reviewed.';
comment on column audit.break_glass_sessions.user_id is 'class=pii;about=Who asked.';
comment on column audit.break_glass_sessions.patient_id is 'class=phi;about=Whose record.';
comment on column audit.break_glass_sessions.reason_code is 'class=operational;about=Kind of emergency.';
comment on column audit.break_glass_sessions.reason_text is 'class=phi;about=What happened, at least 10 characters.';
comment on column audit.break_glass_sessions.opened_at is 'class=operational;about=Since when.';
comment on column audit.break_glass_sessions.expires_at is 'class=operational;about=Until when, at most 4 hours after opening.';
comment on column audit.break_glass_sessions.closed_at is 'class=operational;about=When the user gave it back.';
comment on column audit.break_glass_sessions.reviewed_by is 'class=pii;about=Who reviewed it, never the user.';
comment on column audit.break_glass_sessions.reviewed_at is 'class=operational;about=When it was reviewed.';
comment on column audit.break_glass_sessions.review_outcome is 'class=operational;about=justified, unjustified or escalated.';
comment on column audit.break_glass_sessions.status is 'class=operational;about=open, closed, expired or reviewed.';

select core.comment_standard_columns('audit.break_glass_sessions');

alter table audit.break_glass_sessions enable row level security, force row level security;

create policy tenant_isolation on audit.break_glass_sessions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger break_glass_sessions_touch before update on audit.break_glass_sessions
  for each row execute function core.update_updated_at_column();

create trigger break_glass_sessions_transition before insert or update of status on audit.break_glass_sessions
  for each row execute function core.enforce_transition('audit.break_glass_sessions', 'status');

insert into core.transition_rules (machine, from_state, to_state) values
  ('audit.break_glass_sessions', '', 'open'),
  ('audit.break_glass_sessions', 'open', 'closed'),
  ('audit.break_glass_sessions', 'open', 'expired'),
  ('audit.break_glass_sessions', 'closed', 'reviewed'),
  ('audit.break_glass_sessions', 'expired', 'reviewed')
on conflict (machine, from_state, to_state) do nothing;

grant select on audit.break_glass_sessions to kernel_app, kernel_ro, audit_reader;
