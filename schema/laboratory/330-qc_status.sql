-- Control lots in use with their newest run.

create view laboratory.qc_status
  with (security_invoker = true)
as
select
  l.tenant_id,
  l.id as qc_lot_id,
  l.device_id,
  l.test_id,
  t.code as test_code,
  l.level,
  l.lot_number,
  l.expires_on,
  q.run_at as last_run_at,
  q.z_score,
  q.violated_rules,
  q.verdict
from laboratory.qc_lots l
join laboratory.lab_tests t on t.id = l.test_id
left join lateral (
  select r.run_at, r.z_score, r.violated_rules, r.verdict
  from laboratory.qc_results r
  where r.tenant_id = l.tenant_id and r.qc_lot_id = l.id and r.run_at >= l.accepted_at
  order by r.run_at desc
  limit 1
) q on true
where l.status = 'active';

comment on view laboratory.qc_status is 'class=operational;scope=tenant;owner=lab;about=Every control lot in use, its newest run and the verdict.';
