-- Reading the log. The views keep the rows of the tenant only (security_invoker), the rollups are exact to the second:
-- what is sealed is counted already, the rest is counted now.

create view audit.audit_logs_recent with (security_invoker = true) as
select *
from audit.audit_logs
where occurred_at >= now() - interval '7 days';

comment on view audit.audit_logs_recent is 'about=The audit log of the last seven days.';

create view audit.unsealed_audit_logs with (security_invoker = true) as
select l.*
from audit.audit_logs l
where
  l.txid >= coalesce(
    (
      select a.to_txid
      from audit.audit_chain_anchors a
      where a.tenant_id = (select core.current_tenant_id()) and a.log_name = 'audit_logs'
      order by a.seal_no desc
      limit 1
    ),
    0
  );

comment on view audit.unsealed_audit_logs is 'about=Rows of the audit log that no seal covers yet.';

create view audit.audit_metrics_hourly with (security_invoker = true) as
select tenant_id, bucket, schema_name, table_name, action, sum(events)::bigint as events
from (
  select tenant_id, bucket, schema_name, table_name, action, events
  from audit.metrics_hourly
  union all
  select tenant_id, date_trunc('hour', occurred_at, 'UTC'), schema_name, table_name, action, count(*)
  from audit.unsealed_audit_logs
  group by 1, 2, 3, 4, 5
) as counted
group by 1, 2, 3, 4, 5;

comment on view audit.audit_metrics_hourly is 'about=Audit events per hour, table and action.';

create view audit.audit_compliance_daily with (security_invoker = true) as
select
  tenant_id, bucket, action, actor_role, sum(events)::bigint as events,
  sum(without_actor)::bigint as without_actor, sum(without_purpose)::bigint as without_purpose
from (
  select tenant_id, bucket, action, actor_role, events, without_actor, without_purpose
  from audit.compliance_daily
  union all
  select
    tenant_id, (occurred_at at time zone 'UTC')::date, action, coalesce(actor_role, ''), count(*),
    count(*) filter (where actor_user_id is null), count(*) filter (where purpose_of_use is null)
  from audit.unsealed_audit_logs
  group by 1, 2, 3, 4
) as counted
group by 1, 2, 3, 4;

comment on view audit.audit_compliance_daily is 'about=Audit events per day (UTC), action and role, with those that name no actor or no purpose of use.';

create function audit.get_audit_logs_time_range(
  p_from timestamptz,
  p_to timestamptz,
  p_patient_id uuid default null,
  p_table text default null,
  p_limit int default 1000
) returns setof audit.audit_logs
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select l.*
  from (
    -- each branch is limited by itself, so that the log is read along its key
    (
      select l.*
      from audit.audit_logs l
      where
        l.tenant_id = core.require_tenant()
        and l.occurred_at >= p_from
        and l.occurred_at < p_to
        and (p_patient_id is null or l.patient_id = p_patient_id)
        and (p_table is null or l.schema_name || '.' || l.table_name = p_table)
      order by l.occurred_at desc, l.seq desc
      limit p_limit
    )
    union all
    select a.* from audit.archived_audit_logs(p_from, p_to, p_patient_id, p_table, p_limit) a
  ) as l
  order by l.occurred_at desc, l.seq desc
  limit p_limit
$$;

comment on function audit.get_audit_logs_time_range(timestamptz, timestamptz, uuid, text, int) is 'about=The tenant''s log from p_from until before p_to, archived months too, newest first, of one patient or one table (schema.name) where given.';

create function audit.get_compliance_summary(p_from date, p_to date) returns table (
  action text,
  actor_role text,
  events bigint,
  without_actor bigint,
  without_purpose bigint
)
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select
    d.action, d.actor_role, pg_catalog.sum(d.events)::bigint, pg_catalog.sum(d.without_actor)::bigint,
    pg_catalog.sum(d.without_purpose)::bigint
  from audit.audit_compliance_daily d
  where d.tenant_id = core.require_tenant() and d.bucket >= p_from and d.bucket < p_to
  group by d.action, d.actor_role
  order by d.action, d.actor_role
$$;

comment on function audit.get_compliance_summary(date, date) is 'about=Audit events from p_from until before p_to by action and role, with those that name no actor or no purpose of use.';
