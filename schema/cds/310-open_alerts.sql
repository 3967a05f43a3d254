-- What waits for an answer, with the words that the screen shows.

create view cds.open_alerts
  with (security_invoker = true)
as
select
  a.tenant_id,
  a.id as alert_id,
  a.patient_id,
  a.encounter_id,
  a.subject_type,
  a.subject_id,
  a.category,
  a.severity,
  a.message,
  a.fired_at,
  a.status,
  r.code as rule_code,
  i.effect,
  i.management
from cds.alerts a
left join cds.rules r on r.id = a.rule_id
left join cds.drug_interactions i on i.id = a.interaction_id
where a.status in ('fired', 'acknowledged');

comment on view cds.open_alerts is 'class=phi;scope=tenant;owner=cds;about=Alerts that are not answered, with the rule or the pair behind them.';
