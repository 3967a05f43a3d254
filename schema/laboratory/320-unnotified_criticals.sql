-- Critical results that nobody has read back yet: the list of calls to make (ISO 15189, 7.4.1.3).

create view laboratory.unnotified_criticals
  with (security_invoker = true)
as
select
  r.tenant_id,
  r.id as result_id,
  r.order_item_id,
  r.patient_id,
  o.id as order_id,
  o.ordering_doctor_id,
  t.code as test_code,
  r.flag,
  r.status,
  r.created_at as detected_at,
  (
    select count(*)
    from laboratory.critical_notifications n
    where n.tenant_id = r.tenant_id and n.result_id = r.id
  ) as attempts
from laboratory.lab_results r
join laboratory.lab_order_items i on i.tenant_id = r.tenant_id and i.id = r.order_item_id
join laboratory.lab_orders o on o.tenant_id = i.tenant_id and o.id = i.order_id
join laboratory.lab_tests t on t.id = r.test_id
where
  r.is_critical
  and r.status in ('preliminary', 'verified', 'final', 'corrected')
  and not exists (
    select
    from laboratory.critical_notifications n
    where n.tenant_id = r.tenant_id and n.result_id = r.id and n.read_back
  );

comment on view laboratory.unnotified_criticals is 'class=phi;scope=tenant;owner=lab;about=Critical results without a notification that was read back, and how often somebody tried.';
