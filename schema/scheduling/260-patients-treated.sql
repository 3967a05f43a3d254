-- Whom the signed-in doctor sees: one of the sources of core.patients_treated.

create function scheduling.patients_treated() returns setof uuid
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with me as materialized (
    select
      d.tenant_id, d.id,
      now() - (coalesce((core.setting('access.days_after_care') #>> '{}')::int, 0) || ' days')::interval as since
    from workforce.staff s
    join workforce.doctors d on d.tenant_id = s.tenant_id and d.staff_id = s.id and d.deleted_at is null
    where
      s.tenant_id = core.current_tenant_id() and s.user_id = core.current_user_id()
      and s.deleted_at is null and s.status not in ('suspended', 'left')
  )
  -- coming ones as well: a doctor prepares
  select a.patient_id
  from me
  join scheduling.appointments a
    on a.tenant_id = me.tenant_id and a.doctor_id = me.id and a.starts_at >= me.since
    and a.status not in ('proposed', 'cancelled', 'rescheduled', 'no_show') and a.deleted_at is null
  union
  select q.patient_id
  from me
  join scheduling.queue_management q
    on q.tenant_id = me.tenant_id and q.doctor_id = me.id and q.issued_at >= me.since and q.patient_id is not null
    and q.status not in ('transferred', 'left', 'expired');
end
$$;

comment on function scheduling.patients_treated() is 'about=Patients of the signed-in doctor: with an appointment that is coming or was within access.days_after_care days, or a token of their queue.';
