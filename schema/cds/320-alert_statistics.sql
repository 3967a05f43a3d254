-- Alerts that everybody overrides teach people to override: this view shows which ones.

create view cds.alert_statistics
  with (security_invoker = true)
as
select
  a.tenant_id,
  a.category,
  a.severity,
  r.code as rule_code,
  count(*) as fired,
  count(*) filter (where a.status = 'accepted' or a.status = 'expired') as followed,
  count(*) filter (where a.status = 'overridden') as overridden,
  count(*) filter (where a.status = 'suppressed') as suppressed,
  count(*) filter (where a.status in ('fired', 'acknowledged')) as open,
  round(100.0 * count(*) filter (where a.status = 'overridden') / count(*), 1) as overridden_percent
from cds.alerts a
left join cds.rules r on r.id = a.rule_id
group by a.tenant_id, a.category, a.severity, r.code;

comment on view cds.alert_statistics is 'class=operational;scope=tenant;owner=cds;about=How often alerts of a kind fired, were followed or overridden; a high overridden_percent asks for a better rule.';
