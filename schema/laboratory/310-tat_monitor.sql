-- Tests that are not reported yet, by what is due first: how far each is and how much time is left.

create view laboratory.tat_monitor
  with (security_invoker = true)
as
select
  i.tenant_id,
  i.id as order_item_id,
  o.id as order_id,
  o.order_number,
  o.clinic_id,
  o.patient_id,
  o.priority,
  t.code as test_code,
  t.department_code,
  i.status,
  o.ordered_at,
  s.accession_number,
  s.status as sample_status,
  s.collected_at,
  s.received_at,
  i.due_at,
  extract(epoch from i.due_at - now())::bigint / 60 as minutes_left,
  i.due_at < now() as is_late
from laboratory.lab_order_items i
join laboratory.lab_orders o on o.tenant_id = i.tenant_id and o.id = i.order_id
join laboratory.lab_tests t on t.id = i.test_id
left join laboratory.samples s on s.tenant_id = i.tenant_id and s.id = i.sample_id
where i.status in ('ordered', 'sampled', 'recollect', 'in_process', 'resulted', 'verified', 'authorised');

comment on view laboratory.tat_monitor is 'class=phi;scope=tenant;owner=lab;about=Turnaround: every test that is not reported, its sample, when it is due and the minutes left, negative when late.';
