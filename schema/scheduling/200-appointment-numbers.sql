-- Clinic time and appointment numbers.

create function scheduling.clinic_today(p_clinic_id uuid) returns date
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_timezone text;
begin
  select c.timezone into v_timezone
  from facility.clinics c
  where c.tenant_id = v_tenant and c.id = p_clinic_id;
  if not found then
    raise exception 'clinic % does not exist', p_clinic_id
      using errcode = 'IM005', hint = 'choose a clinic of the tenant';
  end if;
  return (now() at time zone v_timezone)::date;
end
$$;

comment on function scheduling.clinic_today(uuid) is 'about=The date in the time zone of a clinic. IM005 no such clinic.';

create function scheduling.generate_appointment_number(p_clinic_id uuid, p_on date default null) returns text
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_code text;
begin
  select c.code into v_code
  from facility.clinics c
  where c.tenant_id = v_tenant and c.id = p_clinic_id;
  if not found then
    raise exception 'clinic % does not exist', p_clinic_id
      using errcode = 'IM005', hint = 'choose a clinic of the tenant';
  end if;
  -- a new clinic has no series yet: describe it once, its counter then starts by itself every day
  if not exists (
    select
    from core.id_sequences s
    where s.tenant_id = v_tenant and s.scope = 'appointment' and s.series = v_code and s.period_key = ''
  ) then
    perform core.configure_series('appointment', v_code, 'APT-' || v_code || '-{YYYY}{MM}{DD}-', 4, 'day');
  end if;
  return core.next_number('appointment', v_code, coalesce(p_on, scheduling.clinic_today(p_clinic_id)));
end
$$;

comment on function scheduling.generate_appointment_number(uuid, date) is 'about=The next appointment number of a clinic and day, APT-<clinic code>-<yyyymmdd>-<n>; today at the clinic unless a date is given. Gapless: the counter stays locked until the transaction ends. IM005 no such clinic.';
