-- What a person agreed to, and when a message may reach them.

create function communication.set_contact_preference(
  p_subject_type text,
  p_subject_id uuid,
  p_channel text,
  p_category text,
  p_opted_in boolean,
  p_consent uuid default null,
  p_quiet_hours communication.timemultirange default null,
  p_locale text default null
) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_id uuid;
begin
  insert into communication.contact_preferences as c
    (tenant_id, subject_type, subject_id, channel, category, opted_in, consent_id, quiet_hours, locale)
  values
    (core.require_tenant(), p_subject_type, p_subject_id, p_channel, p_category, p_opted_in, p_consent, p_quiet_hours,
     p_locale)
  on conflict (tenant_id, subject_type, subject_id, channel, category) do update
  set
    opted_in = excluded.opted_in, consent_id = excluded.consent_id, quiet_hours = excluded.quiet_hours,
    locale = excluded.locale, changed_at = now()
  returning c.id into v_id;
  return v_id;
end
$$;

comment on function communication.set_contact_preference(text, uuid, text, text, boolean, uuid, communication.timemultirange, text) is 'about=Records what a person wants for a channel and category, in place of what stood there, and returns the row. An opt-in to promotional messages needs a consent (contact_preferences_promotional_needs_consent), to marketing, of that person and in force (IM006).';

create function communication.after_quiet_hours(
  p_at timestamptz,
  p_quiet_hours communication.timemultirange,
  p_timezone text
) returns timestamptz
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_local timestamp := p_at at time zone p_timezone;
  v_end time;
begin
  -- hours that pass midnight are two ranges, so one step may lead into the next; four are more than any day has
  for v_step in 1..4 loop
    select coalesce(pg_catalog.upper(q.hours), '24:00') into v_end
    from pg_catalog.unnest(p_quiet_hours) as q (hours)
    where q.hours @> v_local::time;
    if not found then
      return v_local at time zone p_timezone;
    end if;
    v_local := pg_catalog.date_trunc('day', v_local) + v_end;
  end loop;
  return p_at; -- quiet all day: that would be an opt-out, not quiet hours
end
$$;

comment on function communication.after_quiet_hours(timestamptz, communication.timemultirange, text) is 'about=The first moment from p_at on that is outside the quiet hours of the time zone.';
