-- Check characters and formats of identifiers. Each answers true, false, or null for null.

create function core.valid_luhn(p_number text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select p_number ~ '^[0-9]{2,}$' and (
    select
      pg_catalog.sum(
        case when i % 2 = 1 then (digit * 2) / 10 + (digit * 2) % 10 else digit end
      ) % 10 = 0
    from (
      select i, pg_catalog.substr(pg_catalog.reverse(p_number), i + 1, 1)::int as digit
      from pg_catalog.generate_series(0, pg_catalog.length(p_number) - 1) as i
    ) as digits
    where p_number ~ '^[0-9]+$'
  )
$$;

comment on function core.valid_luhn(text) is 'about=True when the last digit is the Luhn (mod 10) check digit of the others.';

-- The tables are those of the dihedral group D5: d multiplies, p permutes by position.
create function core.verhoeff_sum(p_digits text) returns int
  language plpgsql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
declare
  d constant int[] := array[
    [0,1,2,3,4,5,6,7,8,9],[1,2,3,4,0,6,7,8,9,5],[2,3,4,0,1,7,8,9,5,6],[3,4,0,1,2,8,9,5,6,7],[4,0,1,2,3,9,5,6,7,8],
    [5,9,8,7,6,0,4,3,2,1],[6,5,9,8,7,1,0,4,3,2],[7,6,5,9,8,2,1,0,4,3],[8,7,6,5,9,3,2,1,0,4],[9,8,7,6,5,4,3,2,1,0]
  ];
  p constant int[] := array[
    [0,1,2,3,4,5,6,7,8,9],[1,5,7,6,2,8,3,0,9,4],[5,8,0,3,7,9,6,1,4,2],[8,9,1,6,0,4,3,5,2,7],
    [9,4,5,3,1,2,6,8,7,0],[4,2,8,6,5,7,3,9,0,1],[2,7,9,3,8,0,6,4,1,5],[7,0,4,6,9,1,3,2,5,8]
  ];
  v_sum int := 0;
  v_length int := pg_catalog.length(p_digits);
begin
  for i in 0..v_length - 1 loop
    v_sum := d[v_sum + 1][p[i % 8 + 1][pg_catalog.substr(p_digits, v_length - i, 1)::int + 1] + 1];
  end loop;
  return v_sum;
end
$$;

comment on function core.verhoeff_sum(text) is 'about=The Verhoeff sum of a string of digits, read from the right; 0 for a number with a right check digit.';

create function core.valid_verhoeff(p_number text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select case when p_number ~ '^[0-9]{2,}$' then core.verhoeff_sum(p_number) = 0 else p_number is not null and false end $$;

comment on function core.valid_verhoeff(text) is 'about=True when the last digit is the Verhoeff check digit of the others.';

create function core.check_character(p_payload text, p_algorithm text) returns text
  language plpgsql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_alphabet constant text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*';
  v_sum int := 0;
begin
  case p_algorithm
    when 'none' then
      return '';
    when 'mod10' then
      for v_digit in 0..9 loop
        if core.valid_luhn(p_payload || v_digit) then
          return v_digit::text;
        end if;
      end loop;
    when 'verhoeff' then
      for v_digit in 0..9 loop
        if core.verhoeff_sum(p_payload || v_digit) = 0 then
          return v_digit::text;
        end if;
      end loop;
    when 'mod37_2' then -- ISO 7064 MOD 37-2
      for i in 1..pg_catalog.length(p_payload) loop
        v_sum := (v_sum + pg_catalog.strpos(v_alphabet, pg_catalog.substr(p_payload, i, 1)) - 1) * 2 % 37;
      end loop;
      return pg_catalog.substr(v_alphabet, (38 - v_sum) % 37 + 1, 1);
  end case;
  raise exception 'no check character for this text' using errcode = '22023';
end
$$;

comment on function core.check_character(text, text) is 'about=The check character of a payload by none, mod10 (Luhn), verhoeff (digits only) or mod37_2 (digits and capitals, ISO 7064).';

create function core.valid_mod37_2(p_text text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_text ~ '^[0-9A-Z]+[0-9A-Z*]$' then
      core.check_character(pg_catalog.left(p_text, -1), 'mod37_2') = pg_catalog.right(p_text, 1)
    else p_text is not null and false
  end
$$;

comment on function core.valid_mod37_2(text) is 'about=True when the last character is the ISO 7064 MOD 37-2 check character of the others.';

create function core.valid_gstin(p_gstin text) returns boolean
  language plpgsql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_alphabet constant text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ';
  v_sum int := 0;
  v_product int;
begin
  if p_gstin is null then
    return null;
  end if;
  if p_gstin !~ '^[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][0-9A-Z]Z[0-9A-Z]$' then
    return false;
  end if;
  for i in 1..14 loop
    v_product := (pg_catalog.strpos(v_alphabet, pg_catalog.substr(p_gstin, i, 1)) - 1) * (case when i % 2 = 1 then 1 else 2 end);
    v_sum := v_sum + v_product / 36 + v_product % 36;
  end loop;
  return pg_catalog.substr(v_alphabet, (36 - v_sum % 36) % 36 + 1, 1) = pg_catalog.right(p_gstin, 1);
end
$$;

comment on function core.valid_gstin(text) is 'about=True for a well-formed Indian GST number: state, tax number, entity, Z and a base-36 check character.';

create function core.valid_timezone(p_name text) returns boolean
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_name is null then
    return null;
  end if;
  -- abbreviations such as IST name more than one zone
  if p_name !~ '/' and p_name <> 'UTC' then
    return false;
  end if;
  perform pg_catalog.now() at time zone p_name;
  return true;
exception
  when invalid_parameter_value then return false;
end
$$;

comment on function core.valid_timezone(text) is 'about=True for UTC or an IANA time zone name such as Asia/Kolkata that the server knows.';

create function core.looks_like_aadhaar(p_text text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select
    from pg_catalog.regexp_matches(p_text, '(?<![0-9A-Za-z])(?<![0-9A-Za-z]-)([2-9][0-9]{3})[ -]?([0-9]{4})[ -]?([0-9]{4})(?![0-9A-Za-z])(?!-[0-9A-Za-z])', 'g') as m
    where core.verhoeff_sum(m[1] || m[2] || m[3]) = 0
  )
$$;

comment on function core.looks_like_aadhaar(text) is 'about=True when the text holds 12 digits (first 2-9, in any usual grouping) that pass the Verhoeff test and are no part of a longer word: the digits of a UUID do not count.';

create function core.reject_aadhaar_like() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_row jsonb := pg_catalog.to_jsonb(new);
begin
  for i in 0..tg_nargs - 1 loop
    if core.looks_like_aadhaar(v_row ->> tg_argv[i]) then
      raise exception 'column "%" must not hold an Aadhaar number', tg_argv[i]
        using errcode = 'IM006', hint = 'store the ABHA number or another identifier; Aadhaar numbers are never kept';
    end if;
  end loop;
  return new;
end
$$;

comment on function core.reject_aadhaar_like() is 'about=Arguments: column names. Before insert or update: refuses a text that looks like an Aadhaar number (IM006).';
