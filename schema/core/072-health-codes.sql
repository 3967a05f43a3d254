-- Check characters and forms of codes that health systems exchange. Each answers true, false, or null for null. Only
-- arithmetic and form: whether a code exists is a question for its code system.

create function core.valid_sctid(p_code text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_code is null then null
    when p_code !~ '^[1-9][0-9]{5,17}$' then false
    else pg_catalog.substr(p_code, pg_catalog.length(p_code) - 2, 2) in ('00', '01', '02', '10', '11', '12')
      and core.verhoeff_sum(p_code) = 0
  end
$$;

comment on function core.valid_sctid(text) is 'about=True for a SNOMED CT identifier: 6 to 18 digits, a known partition, right Verhoeff check digit.';

create function core.valid_loinc(p_code text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_code is null then null
    when p_code !~ '^[0-9]{1,7}-[0-9]$' then false
    else core.valid_luhn(pg_catalog.replace(p_code, '-', ''))
  end
$$;

comment on function core.valid_loinc(text) is 'about=True for a LOINC code: up to seven digits, a hyphen, right mod 10 check digit.';

create function core.valid_isbt_din(p_din text, p_check text default null) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_din is null then null
    when p_din !~ '^[A-NP-Z1-9][A-Z0-9]{4}[0-9]{8}$' then false
    else p_check is null or core.check_character(p_din, 'mod37_2') = p_check
  end
$$;

comment on function core.valid_isbt_din(text, text) is 'about=True for an ISBT 128 donation identification number of 13 characters (facility, year, serial); p_check is its check character (ISO 7064 mod 37-2), where one was read.';

create function core.valid_gtin(p_gtin text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_gtin is null then null
    when p_gtin !~ '^([0-9]{8}|[0-9]{12,14})$' then false
    else (
      select pg_catalog.sum(
        pg_catalog.substr(pg_catalog.reverse(p_gtin), i, 1)::int * case when i % 2 = 0 then 3 else 1 end
      ) % 10 = 0
      from pg_catalog.generate_series(1, pg_catalog.length(p_gtin)) as i
    )
  end
$$;

comment on function core.valid_gtin(text) is 'about=True for a GTIN of 8, 12, 13 or 14 digits with the right GS1 check digit.';

create function core.valid_icd10(p_code text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select p_code ~ '^[A-Z][0-9][0-9A-Z](\.[0-9A-Z]{1,4})?$' $$;

comment on function core.valid_icd10(text) is 'about=True for the form of an ICD-10 code, such as I21.0.';

create function core.valid_dicom_uid(p_uid text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select p_uid ~ '^[0-2](\.(0|[1-9][0-9]*))+$' and pg_catalog.length(p_uid) <= 64 $$;

comment on function core.valid_dicom_uid(text) is 'about=True for a DICOM unique identifier: numbers without leading zeros, at most 64 characters.';

create function core.valid_abha_number(p_number text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select p_number ~ '^([0-9]{14}|[0-9]{2}-[0-9]{4}-[0-9]{4}-[0-9]{4})$' $$;

comment on function core.valid_abha_number(text) is 'about=True for 14 digits, plain or as 2-4-4-4. No check digit is published: whether the number exists, the network tells.';

create function core.valid_abha_address(p_address text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select p_address ~ '^[A-Za-z0-9][A-Za-z0-9._]{1,48}[A-Za-z0-9]@[a-z]{2,12}$' $$;

comment on function core.valid_abha_address(text) is 'about=True for the form of an ABHA address, handle@suffix; a handle of digits only is legal.';

create function core.valid_ifsc(p_code text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select p_code ~ '^[A-Z]{4}0[A-Z0-9]{6}$' $$;

comment on function core.valid_ifsc(text) is 'about=True for the form of an Indian bank branch code.';

create function core.valid_income_tax_pan(p_number text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select p_number ~ '^[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]$' $$;

comment on function core.valid_income_tax_pan(text) is 'about=True for the form of an Indian income tax PAN; the fourth letter is the kind of holder.';

create function core.valid_pin_code(p_code text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select p_code ~ '^[1-9][0-9]{5}$' $$;

comment on function core.valid_pin_code(text) is 'about=True for the form of an Indian postal code.';

create function core.valid_indian_mobile(p_number text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select p_number ~ '^\+91[6-9][0-9]{9}$' $$;

comment on function core.valid_indian_mobile(text) is 'about=True for an Indian mobile number in E.164.';

create function core.looks_like_pan(p_text text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select p_text is not null and exists (
    select
    -- the digits of a UUID or a hash, also behind \x or a prefix, are no card number, though one in ten would pass its test
    from pg_catalog.regexp_replace(
      p_text, '(?<![0-9a-f])([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{20,})(?![0-9a-f])', '#', 'gi'
    ) as words
    cross join lateral pg_catalog.regexp_matches(words, '(?<![0-9])[0-9](?:[ -]?[0-9]){12,18}(?![0-9])', 'g') as found (candidate)
    cross join lateral pg_catalog.regexp_replace(found.candidate[1], '[^0-9]', '', 'g') as digits
    -- the issuers' ranges: Visa, Mastercard, American Express, Diners, Discover, RuPay, JCB, Maestro
    where digits ~ '^(4|5[0-8]|2[2-7]|3[4-9]|6|81|82)' and core.valid_luhn(digits)
  )
$$;

comment on function core.looks_like_pan(text) is 'about=True when a text holds what looks like a payment card number: 13 to 19 digits, spaces and hyphens allowed, an issuer''s range, right Luhn digit. UUIDs and hashes are passed over.';

create function core.assert_no_pan(p_value jsonb) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select p_value is null or not core.looks_like_pan(p_value::text) $$;

comment on function core.assert_no_pan(jsonb) is 'about=True when a document holds nothing that looks like a payment card number. For checks.';

create function core.abo_compatible(p_component text, p_donor text, p_recipient text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_donor !~ '^(A|B|AB|O)[+-]$' or p_recipient !~ '^(A|B|AB|O)[+-]$' then null
    when p_component = 'whole_blood' then p_donor = p_recipient
    when p_component = 'red_cells' then
      donor.abo in ('O', recipient.abo) or recipient.abo = 'AB'
    when p_component in ('plasma', 'cryoprecipitate', 'platelets') then
      recipient.abo in ('O', donor.abo) or donor.abo = 'AB'
  end
  -- RhD matters where red cells are given: negative goes to both, positive to positive only
  and (p_component not in ('whole_blood', 'red_cells') or pg_catalog.right(p_donor, 1) = '-' or pg_catalog.right(p_recipient, 1) = '+')
  from
    (select pg_catalog.rtrim(p_donor, '+-')) as donor (abo),
    (select pg_catalog.rtrim(p_recipient, '+-')) as recipient (abo)
$$;

comment on function core.abo_compatible(text, text, text) is 'about=Arguments (red_cells, whole_blood, plasma, cryoprecipitate or platelets; donor group; recipient group), groups such as AB-. True when the component may be given; null for unknown components and groups.';
