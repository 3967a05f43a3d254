-- Forms of ABHA numbers and addresses, and how alike a profile and a patient are.

create function abdm.normalise_abha_number(p_number text) returns text
  language plpgsql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_number is not null and not core.valid_abha_number(btrim(p_number)) then
    raise exception 'an ABHA number has 14 digits'
      using errcode = '22023', hint = 'write it plain or as 2-4-4-4; no check digit is published, so the network decides';
  end if;
  return replace(btrim(p_number), '-', '');
end
$$;

comment on function abdm.normalise_abha_number(text) is 'about=The 14 digits of an ABHA number that came plain or as 2-4-4-4: what is encrypted and blind-indexed. 22023 anything else.';

create function abdm.normalise_abha_address(p_address text) returns text
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_address text := lower(btrim(p_address));
begin
  if v_address is null then
    return null;
  end if;
  if not core.valid_abha_address(v_address)
    or not coalesce(core.setting('abdm.address_suffixes'), '["abdm", "sbx"]') ? split_part(v_address, '@', 2)
  then
    raise exception 'this is no ABHA address'
      using errcode = '22023', hint = 'handle@suffix; setting abdm.address_suffixes lists the suffixes';
  end if;
  return v_address;
end
$$;

comment on function abdm.normalise_abha_address(text) is 'about=An ABHA address in lower case: handle@suffix with a suffix of setting abdm.address_suffixes. 22023 anything else.';

create function abdm.name_overlap(p_name_key text, p_other_key text) returns numeric
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select count(distinct sound)::numeric
    / nullif(least(cardinality(string_to_array(p_name_key, ' ')), cardinality(string_to_array(p_other_key, ' '))), 0)
  from unnest(string_to_array(p_name_key, ' ')) as a (sound)
  join unnest(string_to_array(p_other_key, ' ')) as b (sound) using (sound)
$$;

comment on function abdm.name_overlap(text, text) is 'about=How many sounds two sound keys (patient.name_key) share, as a part of the shorter one: 0 to 1.';

create function abdm.mismatches(
  p_patient_id uuid,
  p_name_key text,
  p_sex text,
  p_birth_year integer
) returns text[]
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_patient record;
  v_tolerance integer;
begin
  select p.name_phonetic, p.sex, p.birth_date, p.birth_date_precision into v_patient
  from patient.patients p
  where p.tenant_id = core.current_tenant_id() and p.id = p_patient_id;
  v_tolerance := case v_patient.birth_date_precision
    when 'estimated' then coalesce((core.setting('abdm.estimated_birth_years') #>> '{}')::integer, 5)
    else 0
  end;
  return array_remove(
    array[
      case
        when coalesce(abdm.name_overlap(v_patient.name_phonetic, p_name_key), 0)
          < coalesce((core.setting('abdm.name_overlap') #>> '{}')::numeric, 0.6)
        then 'name'
      end,
      -- an unknown sex contradicts nothing
      case when v_patient.sex <> p_sex and 'unknown' <> all (array[v_patient.sex, p_sex]) then 'sex' end,
      case
        when abs(extract(year from v_patient.birth_date)::integer - p_birth_year) <= v_tolerance then null
        else 'birth_year'
      end
    ],
    null
  );
end
$$;

comment on function abdm.mismatches(uuid, text, text, integer) is 'about=What of name (setting abdm.name_overlap), sex and year of birth (exact; within abdm.estimated_birth_years of an estimate) of a profile does not match a patient. Empty: all match.';

create function abdm.lock_patient(p_tenant_id uuid, p_patient_id uuid) returns void
  language sql
  volatile
  set search_path = pg_catalog, pg_temp
as $$ select pg_advisory_xact_lock(hashtextextended('abdm.patient' || p_tenant_id || p_patient_id, 0)) $$;

comment on function abdm.lock_patient(uuid, uuid) is 'about=Makes whoever links an ABHA to the same patient wait until the transaction ends.';

create function abdm.check_live_patient(p_patient_id uuid) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_patient record;
begin
  select p.merged_into_id, p.deleted_at into v_patient
  from patient.patients p
  where p.tenant_id = core.require_tenant() and p.id = p_patient_id;
  if not found or v_patient.deleted_at is not null then
    raise exception 'patient % does not exist', p_patient_id using errcode = 'IM005', hint = 'search the patient again';
  end if;
  if v_patient.merged_into_id is not null then
    raise exception 'patient % was merged into %', p_patient_id, v_patient.merged_into_id
      using errcode = 'IM005', hint = 'work on that patient';
  end if;
end
$$;

comment on function abdm.check_live_patient(uuid) is 'about=Raises IM005 unless the patient is there and was not merged into another.';
