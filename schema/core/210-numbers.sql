-- Numbers that people read: MRNs, appointment numbers, tokens, invoice numbers.
-- One counter row a series; its row lock is what makes two callers get two numbers. Take a number as late in the
-- transaction as possible: a gapless series admits one open transaction at a time.

create function core.configure_series(
  p_scope text,
  p_series text,
  p_prefix text default '',
  p_pad int default 0,
  p_period text default 'none',
  p_gapless boolean default true,
  p_check_algo text default 'none',
  p_max_len int default 64
) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into core.id_sequences as s (tenant_id, scope, series, period, period_key, prefix, pad, check_algo, gapless, max_len)
  values (core.require_tenant(), p_scope, p_series, p_period, '', p_prefix, p_pad, p_check_algo, p_gapless, p_max_len)
  on conflict (tenant_id, scope, series, period_key) do update
  set prefix = excluded.prefix, pad = excluded.pad, check_algo = excluded.check_algo, max_len = excluded.max_len
  where (s.prefix, s.pad, s.check_algo, s.max_len)
    is distinct from (excluded.prefix, excluded.pad, excluded.check_algo, excluded.max_len);
end
$$;

comment on function core.configure_series(text, text, text, int, text, boolean, text, int) is 'about=Describes a series of numbers, or changes how its next numbers are written. The counter and the period stay as they are.';

create function core.period_key(p_period text, p_at date) returns text
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select case p_period
    when 'none' then ''
    when 'day' then pg_catalog.to_char(p_at, 'YYYY-MM-DD')
    when 'month' then pg_catalog.to_char(p_at, 'YYYY-MM')
    when 'year' then pg_catalog.to_char(p_at, 'YYYY')
    when 'fiscal_year' then (
      select 'FY' || pg_catalog.to_char(y.start, 'YYYY') || '-' || pg_catalog.to_char(y.start + interval '1 year', 'YY')
      from (
        select p_at - ((coalesce((core.setting('core.fiscal_year_start_month') #>> '{}')::int, 4) - 1) || ' months')::interval as start
      ) as y
    )
  end
$$;

comment on function core.period_key(text, date) is 'about=The key of the period that a date falls into; a fiscal year starts in the month of setting core.fiscal_year_start_month (default April).';

create function core.tenant_zone() returns text
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return (select t.timezone from core.tenants t where t.id = core.require_tenant());
end
$$;

comment on function core.tenant_zone() is 'about=The time zone of the tenant, for the day of an instant that belongs to no clinic. IM003 no tenant.';

create function core.tenant_today() returns date
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return (now() at time zone core.tenant_zone())::date;
end
$$;

comment on function core.tenant_today() is 'about=The date in the time zone of the tenant, for what belongs to no clinic: a number, a batch, a licence. IM003 no tenant.';

create function core.next_number(p_scope text, p_series text, p_at date default core.tenant_today()) returns text
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_series record;
  v_key text;
  v_value bigint;
  v_number text;
begin
  select s.period, s.prefix, s.pad, s.check_algo, s.gapless, s.max_len into v_series
  from core.id_sequences s
  where s.tenant_id = v_tenant and s.scope = p_scope and s.series = p_series and s.period_key = '';
  if not found then
    raise exception 'no series "%" of scope "%"', p_series, p_scope
      using errcode = 'IM551', hint = 'describe it with core.configure_series';
  end if;
  v_key := core.period_key(v_series.period, p_at);

  update core.id_sequences s
  set last_value = s.last_value + 1
  where s.tenant_id = v_tenant and s.scope = p_scope and s.series = p_series and s.period_key = v_key
  returning s.last_value into v_value;
  if not found then -- first number of a period; the unique key decides between two that find none
    insert into core.id_sequences as s
      (tenant_id, scope, series, period, period_key, prefix, pad, check_algo, gapless, max_len, last_value)
    values
      (v_tenant, p_scope, p_series, v_series.period, v_key, v_series.prefix, v_series.pad, v_series.check_algo,
       v_series.gapless, v_series.max_len, 1)
    on conflict (tenant_id, scope, series, period_key) do update set last_value = s.last_value + 1
    returning s.last_value into v_value;
  end if;

  v_number := v_series.prefix;
  if pg_catalog.strpos(v_number, '{') > 0 then
    v_number := pg_catalog.replace(v_number, '{YYYY}', pg_catalog.to_char(p_at, 'YYYY'));
    v_number := pg_catalog.replace(v_number, '{YY}', pg_catalog.to_char(p_at, 'YY'));
    v_number := pg_catalog.replace(v_number, '{MM}', pg_catalog.to_char(p_at, 'MM'));
    v_number := pg_catalog.replace(v_number, '{DD}', pg_catalog.to_char(p_at, 'DD'));
    if pg_catalog.strpos(v_number, '{FY}') > 0 then -- needs a setting
      v_number := pg_catalog.replace(v_number, '{FY}', core.period_key('fiscal_year', p_at));
    end if;
  end if;
  v_number := v_number || pg_catalog.lpad(v_value::text, greatest(v_series.pad, pg_catalog.length(v_value::text)), '0');
  if v_series.check_algo <> 'none' then
    -- check characters are computed over letters and digits only; the digit algorithms over the digits
    v_number := v_number || core.check_character(
      case v_series.check_algo
        when 'mod37_2' then pg_catalog.regexp_replace(pg_catalog.upper(v_number), '[^0-9A-Z]', '', 'g')
        else pg_catalog.regexp_replace(v_number, '[^0-9]', '', 'g')
      end,
      v_series.check_algo
    );
  end if;
  if pg_catalog.length(v_number) > v_series.max_len then
    raise exception 'number of series "%" is longer than % characters', p_series, v_series.max_len
      using errcode = 'IM552', hint = 'shorten the prefix or start a new series';
  end if;
  return v_number;
end
$$;

comment on function core.next_number(text, text, date) is 'about=The next number of a series: strictly increasing per period, without gaps because a rollback takes it back. IM551 no such series, IM552 longer than the series allows.';

create function core.next_default_number(
  p_scope text,
  p_series text,
  p_prefix text,
  p_pad int default 6,
  p_period text default 'year',
  p_at date default core.tenant_today()
) returns text
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select
    from core.id_sequences s
    where s.tenant_id = core.require_tenant() and s.scope = p_scope and s.series = p_series and s.period_key = ''
  ) then
    perform core.configure_series(p_scope, p_series, p_prefix, p_pad, p_period);
  end if;
  return core.next_number(p_scope, p_series, p_at);
end
$$;

comment on function core.next_default_number(text, text, text, int, text, date) is 'about=The next number of a series that a tenant may have described with core.configure_series; one that was not is described on its first use, with this prefix ({YYYY}, {YY}, {MM}, {DD}, {FY}), padding and period. IM552 longer than the series allows.';
