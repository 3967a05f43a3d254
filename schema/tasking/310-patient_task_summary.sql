-- What is to be done for each patient, at a glance.

create view tasking.patient_task_summary with (security_invoker = true) as
select
  t.tenant_id,
  t.patient_id,
  p.mrn,
  concat_ws(' ', p.given_name, p.family_name) as patient_name,
  count(*) as open_tasks,
  count(*) filter (where t.status = 'overdue' or t.due_at < now()) as overdue_tasks,
  count(*) filter (where t.priority = 'critical') as critical_tasks,
  count(*) filter (where t.assigned_to is null) as unassigned_tasks,
  count(*) filter (where t.requires_verification) as tasks_to_verify,
  min(t.due_at) as next_due_at
from tasking.tasks t
join patient.patients p on p.tenant_id = t.tenant_id and p.id = t.patient_id
where t.status in ('pending', 'in_progress', 'on_hold', 'overdue', 'reopened') and t.deleted_at is null
group by t.tenant_id, t.patient_id, p.mrn, p.given_name, p.family_name;

comment on view tasking.patient_task_summary is 'about=One row a patient with open tasks: how many, how many overdue, critical, without an assignee or to be verified in the EMR, and when the next is due.';
