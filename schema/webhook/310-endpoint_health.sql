-- What the person on call looks at first.

create view webhook.endpoint_health with (security_invoker = true) as
select
  w.tenant_id,
  w.id as webhook_id,
  w.code,
  w.direction,
  w.status,
  w.failure_count,
  w.failure_count >= 10 as is_failing,
  w.disabled_reason,
  coalesce(e.waiting, 0) as waiting,
  coalesce(e.processing, 0) as processing,
  coalesce(e.dead, 0) as dead,
  e.oldest_waiting_at
from webhook.integration_webhooks w
left join (
  select
    v.tenant_id,
    v.webhook_id,
    pg_catalog.count(*) filter (where v.status in ('pending', 'retry')) as waiting,
    pg_catalog.count(*) filter (where v.status = 'processing') as processing,
    pg_catalog.count(*) filter (where v.status = 'dead') as dead,
    pg_catalog.min(v.received_at) filter (where v.status in ('pending', 'retry')) as oldest_waiting_at
  from webhook.webhook_events v
  where v.status in ('pending', 'retry', 'processing', 'dead')
  group by v.tenant_id, v.webhook_id
) as e on e.tenant_id = w.tenant_id and e.webhook_id = w.id;

comment on view webhook.endpoint_health is 'about=One row an endpoint: its status, consecutive failures, and how many events wait, run or are dead.';
