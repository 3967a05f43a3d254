-- When doses are due. A plan is {times, every_days}, {every_hours} or {once}; an item carries its own in timing, else its
-- frequency code stands for one. A hospital adds codes, or moves the hours of its rounds, in setting
-- medication.frequencies.

create function medication.frequency_plan(p_frequency_code text) returns jsonb
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_plans constant jsonb := '{
    "OD": {"times": ["09:00"]},
    "BD": {"times": ["09:00", "21:00"]},
    "TDS": {"times": ["09:00", "14:00", "21:00"]},
    "QID": {"times": ["08:00", "12:00", "17:00", "22:00"]},
    "HS": {"times": ["22:00"]},
    "AC": {"times": ["07:30", "12:30", "19:30"]},
    "WEEKLY": {"times": ["09:00"], "every_days": 7},
    "Q4H": {"every_hours": 4},
    "Q6H": {"every_hours": 6},
    "Q8H": {"every_hours": 8},
    "Q12H": {"every_hours": 12},
    "Q24H": {"every_hours": 24},
    "STAT": {"once": true},
    "PRN": {}
  }';
begin
  return (v_plans || coalesce(core.setting('medication.frequencies'), '{}')) -> p_frequency_code;
end
$$;

comment on function medication.frequency_plan(text) is 'about=Plan of a frequency code: the hospital''s (setting medication.frequencies), else the usual one, null for an unknown code.';

create function medication.dose_plan(p_item medication.prescription_items) returns jsonb
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_item.timing ?| array['times', 'every_hours', 'once'] then
    return p_item.timing;
  end if;
  return medication.frequency_plan(p_item.frequency_code) || p_item.timing;
end
$$;

comment on function medication.dose_plan(medication.prescription_items) is 'about=Plan of an item: its own timing, else that of its frequency code; null when there is neither.';

create function medication.doses_per_day(p_item medication.prescription_items) returns numeric
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_plan jsonb := medication.dose_plan(p_item);
begin
  return case
    when v_plan ? 'max_per_day' then (v_plan ->> 'max_per_day')::numeric
    when v_plan ? 'times' then
      jsonb_array_length(v_plan -> 'times') / coalesce((v_plan ->> 'every_days')::numeric, 1)
    when v_plan ? 'every_hours' then 24 / (v_plan ->> 'every_hours')::numeric
    when v_plan ? 'once' then 1
  end;
end
$$;

comment on function medication.doses_per_day(medication.prescription_items) is 'about=Most doses a day that an item allows; null when its plan does not say, as for PRN without max_per_day.';

create function medication.dose_times(
  p_item medication.prescription_items,
  p_zone text,
  p_from timestamptz,
  p_until timestamptz
) returns setof timestamptz
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_plan jsonb := medication.dose_plan(p_item);
  v_every int := coalesce((v_plan ->> 'every_days')::int, 1);
  v_from timestamptz := greatest(p_from, p_item.start_at);
  -- exclusive: a course of 5 days that begins at nine ends before nine on the sixth
  v_end timestamptz := least(p_until, p_item.stop_at, p_item.start_at + make_interval(days => p_item.duration_days));
begin
  if p_item.is_prn or v_plan is null then
    return;
  elsif v_plan ? 'once' then
    return query select p_item.start_at where p_item.start_at >= v_from and p_item.start_at < v_end;
  elsif v_plan ? 'every_hours' then
    return query
    select t.at
    from generate_series(
      p_item.start_at, v_end, make_interval(mins => ((v_plan ->> 'every_hours')::numeric * 60)::int)
    ) as t (at)
    where t.at >= v_from and t.at < v_end;
  elsif v_plan ? 'times' then
    return query
    select t.at
    from generate_series(
      (p_item.start_at at time zone p_zone)::date::timestamp, v_end at time zone p_zone, make_interval(days => v_every)
    ) as d (day)
    cross join jsonb_array_elements_text(v_plan -> 'times') as h (clock)
    cross join lateral (select (d.day + h.clock::time) at time zone p_zone) as t (at)
    where t.at >= v_from and t.at < v_end
    order by t.at;
  end if;
end
$$;

comment on function medication.dose_times(medication.prescription_items, text, timestamptz, timestamptz) is 'about=Moments from p_from to before p_until at which an item is due, by the clock of the clinic. None for as-needed doses.';
