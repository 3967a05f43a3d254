-- webhook.webhook_logs: one row per delivery or processing attempt. Append-only, one partition a month, kept a year.
-- event_id has no foreign key: the log outlives the events that it tells of.

create table webhook.webhook_logs (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  event_id uuid not null,
  webhook_id uuid not null,
  attempt_no smallint not null,
  attempted_at timestamptz not null,
  worker text not null,
  request_headers jsonb not null default '{}',
  response_status smallint,
  response_excerpt text,
  duration_ms integer not null,
  outcome text not null,
  error text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint webhook_logs_pkey primary key (tenant_id, id, attempted_at),
  constraint webhook_logs_attempt_key unique (tenant_id, event_id, attempt_no, attempted_at),
  constraint webhook_logs_outcome_known check (
    outcome in ('success', 'retryable', 'permanent', 'timeout', 'lost_lock')
  ),
  constraint webhook_logs_duration_range check (duration_ms >= 0),
  constraint webhook_logs_no_credentials check (
    not request_headers ?| array['authorization', 'Authorization', 'cookie', 'Cookie']
  ),
  constraint webhook_logs_excerpt_is_short check (length(response_excerpt) <= 2048)
) partition by range (attempted_at);

create table webhook.webhook_logs_default partition of webhook.webhook_logs default;

alter table webhook.webhook_logs
  add constraint webhook_logs_tenant_fkey foreign key (tenant_id) references core.tenants (id);
alter table webhook.webhook_logs
  add constraint webhook_logs_webhook_fkey foreign key (tenant_id, webhook_id) references webhook.integration_webhooks (tenant_id, id);

create index webhook_logs_webhook_idx on webhook.webhook_logs (tenant_id, webhook_id, attempted_at);

comment on table webhook.webhook_logs is 'class=operational;scope=tenant;owner=interop;fhir=none;retention=operational;append_only=1;partition=month;about=One attempt to deliver or to handle an event.';
comment on column webhook.webhook_logs.event_id is 'class=operational;about=The event that was attempted.';
comment on column webhook.webhook_logs.webhook_id is 'class=operational;about=The endpoint of the event.';
comment on column webhook.webhook_logs.attempt_no is 'class=operational;about=1 for the first attempt; starts over when the event is replayed.';
comment on column webhook.webhook_logs.attempted_at is 'class=operational;about=When the attempt began.';
comment on column webhook.webhook_logs.worker is 'class=operational;about=The worker that made it.';
comment on column webhook.webhook_logs.request_headers is 'class=operational;about=Headers sent or received, without credentials and signatures.';
comment on column webhook.webhook_logs.response_status is 'class=operational;about=HTTP status of the answer, null when there was none.';
comment on column webhook.webhook_logs.response_excerpt is 'class=operational;about=First 2,048 characters of the answer; the caller leaves out bodies that may hold health data.';
comment on column webhook.webhook_logs.duration_ms is 'class=operational;about=How long the attempt took, in milliseconds.';
comment on column webhook.webhook_logs.outcome is 'class=operational;about=success, retryable, permanent, timeout, or lost_lock when the worker''s lease ran out.';
comment on column webhook.webhook_logs.error is 'class=operational;about=Error text, without data of persons.';

select core.comment_standard_columns('webhook.webhook_logs');

alter table webhook.webhook_logs enable row level security, force row level security;

create policy tenant_isolation on webhook.webhook_logs
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

alter table webhook.webhook_logs_default enable row level security, force row level security;

create policy tenant_isolation on webhook.webhook_logs_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger webhook_logs_append_only before update or delete on webhook.webhook_logs
  for each row execute function core.refuse_change();

create trigger webhook_logs_no_truncate before truncate on webhook.webhook_logs
  for each statement execute function core.refuse_change();

create trigger webhook_logs_default_no_truncate before truncate on webhook.webhook_logs_default
  for each statement execute function core.refuse_change();

grant select on webhook.webhook_logs to interop_app, interop_ro;
