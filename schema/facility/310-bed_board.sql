-- The board of beds: every bed in service, where it stands and who is in it. Ids of patients only; names come from the
-- patient service, which logs that it was asked.

create view facility.bed_board
  with (security_invoker = true)
as
select
  b.tenant_id,
  b.id as bed_id,
  b.code as bed_code,
  b.bed_type,
  b.status,
  b.status_changed_at,
  c.id as clinic_id,
  c.name as clinic_name,
  l.department_id,
  d.name as department_name,
  l.id as location_id,
  l.name as location_name,
  l.path as location_path,
  l.care_class,
  l.sex_policy,
  l.isolation_capable,
  a.id as allocation_id,
  a.encounter_id,
  a.patient_id,
  lower(a.period) as occupied_since,
  r.id as reservation_id,
  r.reserved_until
from facility.beds b
join facility.locations l on l.tenant_id = b.tenant_id and l.id = b.location_id
join facility.clinics c on c.tenant_id = l.tenant_id and c.id = l.clinic_id
left join facility.departments d on d.tenant_id = l.tenant_id and d.id = l.department_id
left join facility.bed_allocations a on a.tenant_id = b.tenant_id and a.id = b.current_allocation_id
left join lateral (
  select n.id, n.reserved_until
  from facility.bed_allocations n
  where n.tenant_id = b.tenant_id and n.bed_id = b.id and n.status = 'reserved'
  order by lower(n.period), n.id
  limit 1
) r on true
where b.deleted_at is null and l.deleted_at is null and c.deleted_at is null;

comment on view facility.bed_board is 'class=phi;scope=tenant;owner=facility;about=Every bed in service with its place, status, present allocation and next reservation.';
