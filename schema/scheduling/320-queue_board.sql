-- The board in the waiting room. It shows labels, never who a patient is.

create view scheduling.queue_board
  with (security_invoker = true)
as
select
  q.tenant_id,
  q.clinic_id,
  c.name as clinic_name,
  q.queue_key,
  q.queue_date,
  q.id as token_id,
  q.token_label,
  q.status,
  q.counter_location_id,
  l.name as counter_name,
  q.called_at,
  case when q.status = 'waiting' then
    pg_catalog.row_number() over (
      partition by q.tenant_id, q.queue_key, q.queue_date, q.status order by q.priority desc, q.token_number
    )
  end as place_in_line
from scheduling.queue_management q
join facility.clinics c on c.tenant_id = q.tenant_id and c.id = q.clinic_id
left join facility.locations l on l.tenant_id = q.tenant_id and l.id = q.counter_location_id
where
  q.status in ('waiting', 'called', 'in_service', 'skipped')
  and (q.token_expires_at is null or q.token_expires_at > now() or q.status <> 'waiting')
  and q.queue_date = (now() at time zone c.timezone)::date;

comment on view scheduling.queue_board is 'class=operational;scope=tenant;owner=appointment;about=Today''s live tokens of every queue with counter and place in line; labels only, no patient.';
