-- Whom the signed-in user treats: one of the sources of core.patients_treated.

create function clinical.patients_treated() returns setof uuid
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with me as materialized (
    select
      s.tenant_id, s.id,
      now() - (coalesce((core.setting('access.days_after_care') #>> '{}')::int, 0) || ' days')::interval as since
    from workforce.staff s
    where
      s.tenant_id = core.current_tenant_id() and s.user_id = core.current_user_id()
      and s.deleted_at is null and s.status not in ('suspended', 'left')
  )
  -- in the care team, also when the encounter ended lately: letters and late results are to come
  select e.patient_id
  from me
  join clinical.care_team_members m
    on m.tenant_id = me.tenant_id and m.staff_id = me.id and m.period && pg_catalog.tstzrange(me.since, now(), '[]')
  join clinical.encounters e on e.tenant_id = m.tenant_id and e.id = m.encounter_id
  union
  -- whoever is on a shift now treats the patients who are in its department
  select e.patient_id
  from me
  join workforce.shift_assignments a
    on a.tenant_id = me.tenant_id and a.staff_id = me.id and a.period @> now() and a.status in ('assigned', 'checked_in')
  join workforce.shifts f on f.tenant_id = a.tenant_id and f.id = a.shift_id
  join clinical.encounters e
    on e.tenant_id = f.tenant_id and e.department_id = f.department_id
    and e.status in ('arrived', 'triaged', 'in_progress', 'on_leave');
end
$$;

comment on function clinical.patients_treated() is 'about=Patients of the signed-in user: those whose care team they are in, or were in until access.days_after_care days ago, and those present in the department of their shift of now.';
