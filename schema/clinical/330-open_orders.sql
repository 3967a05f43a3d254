-- What is ordered and not done.

create view clinical.open_orders
  with (security_invoker = true)
as
select
  o.tenant_id, o.id as order_id, o.order_number, o.patient_id, o.encounter_id, o.category, o.code_system, o.code,
  o.display, o.priority, o.requester_id, o.requested_at, o.occurrence_at, o.target_department_id, o.instructions,
  o.hold_reason, o.status
from clinical.service_requests o
where o.status in ('active', 'on_hold');

comment on view clinical.open_orders is 'class=phi;scope=tenant;owner=clinical;about=Orders that are active or on hold.';
