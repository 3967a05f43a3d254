-- What the front desk sees first: visits that are still to come or under way.

create view scheduling.upcoming_appointments
  with (security_invoker = true)
as
select
  a.tenant_id,
  a.id as appointment_id,
  a.appointment_number,
  a.starts_at,
  a.ends_at,
  (a.starts_at at time zone c.timezone)::date as local_date,
  (a.starts_at at time zone c.timezone)::time as local_time,
  a.status,
  a.type,
  a.channel,
  a.priority,
  a.fee_status,
  a.patient_id,
  p.mrn,
  pg_catalog.concat_ws(' ', p.given_name, p.middle_name, p.family_name) as patient_name,
  a.doctor_id,
  pg_catalog.concat_ws(' ', s.given_name, s.family_name) as doctor_name,
  a.department_id,
  d.name as department_name,
  a.clinic_id,
  c.name as clinic_name,
  c.timezone,
  a.slot_id
from scheduling.appointments a
join patient.patients p on p.tenant_id = a.tenant_id and p.id = a.patient_id
join facility.clinics c on c.tenant_id = a.tenant_id and c.id = a.clinic_id
left join facility.departments d on d.tenant_id = a.tenant_id and d.id = a.department_id
left join workforce.doctors doc on doc.tenant_id = a.tenant_id and doc.id = a.doctor_id
left join workforce.staff s on s.tenant_id = doc.tenant_id and s.id = doc.staff_id
where
  a.status in ('booked', 'confirmed', 'checked_in', 'in_consultation')
  and a.ends_at > now()
  and a.deleted_at is null;

comment on view scheduling.upcoming_appointments is 'class=phi;scope=tenant;owner=appointment;about=Live appointments that are not over, with the names that a list needs and the clinic''s wall-clock time.';
