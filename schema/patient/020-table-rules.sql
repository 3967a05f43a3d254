-- Functions that the tables need: the sound key of names, and the rules that a CHECK cannot hold because they depend on
-- the day or on settings.

create function patient.name_key(p_name text) returns text
  language plpgsql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_key text;
begin
  select string_agg(t.sound, ' ' order by t.sound collate "C") into v_key
  from (
    -- all vowels but the first go, and h with them: Mohammed, Muhammad, Mohamad
    select left(s.sound, 1) || regexp_replace(substr(s.sound, 2), '[aeiouh]', '', 'g') as sound
    from (
      select regexp_replace(
        -- letters that transliterations mix up, then doubled letters
        translate(
          replace(replace(replace(replace(replace(w.word, 'ph', 'f'), 'ch', 'j'), 'sh', 's'), 'ck', 'k'), 'x', 'ks'),
          'qcwzyeo', 'kkvsiiu'
        ),
        '(.)\1+', '\1', 'g'
      ) as sound
      from regexp_split_to_table(lower(coalesce(p_name, '')), '[^[:alpha:]]+') as w (word)
      where w.word <> ''
    ) s
  ) t;
  return coalesce(v_key, '');
end
$$;

comment on function patient.name_key(text) is 'about=Sound key of a name written in Latin letters: spellings that transliteration mixes up and the order of words do not count. Other scripts stay as they are.';

create function patient.check_birth_date(p_birth_date date) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- a day of grace: it is tomorrow already in the east
  if p_birth_date > current_date + 1 or p_birth_date < current_date - interval '130 years' then
    raise exception 'the birth date is not between 130 years ago and today'
      using errcode = 'IM212', hint = 'ask again; when only the age is known, use birth_date_precision year';
  end if;
end
$$;

comment on function patient.check_birth_date(date) is 'about=Refuses a birth date in the future or more than 130 years ago (IM212).';

create function patient.check_mrn(p_mrn text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_format text := core.setting('mrn.format') #>> '{}';
  v_algorithm text := core.setting('mrn.check_algo') #>> '{}';
  v_valid boolean;
begin
  if v_format is not null and p_mrn !~ v_format then
    raise exception 'the MRN does not match setting mrn.format'
      using errcode = 'IM212', hint = 'take MRNs from patient.register, or correct the setting';
  end if;
  v_valid := case v_algorithm
    when 'mod10' then core.valid_luhn(regexp_replace(p_mrn, '[^0-9]', '', 'g'))
    when 'verhoeff' then core.valid_verhoeff(regexp_replace(p_mrn, '[^0-9]', '', 'g'))
    when 'mod37_2' then core.valid_mod37_2(regexp_replace(upper(p_mrn), '[^0-9A-Z*]', '', 'g'))
    else true
  end;
  if not v_valid then
    raise exception 'the check character of the MRN is wrong'
      using errcode = 'IM212', hint = 'read the number again';
  end if;
end
$$;

comment on function patient.check_mrn(text) is 'about=Refuses an MRN that does not match the settings mrn.format (regular expression) and mrn.check_algo (IM212).';

create function patient.check_patient() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'INSERT' or new.mrn <> old.mrn then
    perform patient.check_mrn(new.mrn);
  end if;
  if tg_op = 'INSERT' or new.birth_date is distinct from old.birth_date then
    perform patient.check_birth_date(new.birth_date);
  end if;
  new.name_phonetic := patient.name_key(concat_ws(' ', new.given_name, new.middle_name, new.family_name));
  return new;
end
$$;

comment on function patient.check_patient() is 'about=Before insert or update of patient.patients: form of the MRN, range of the birth date (IM212), sound key of the name.';

create function patient.announce_update() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform core.enqueue(
    'patient', new.id, 'patient.updated.v1', jsonb_build_object('id', new.id, 'version', new.row_version)
  );
  return null;
end
$$;

comment on function patient.announce_update() is 'about=After a patient changed without changing status: event patient.updated.v1 (changes of status have their own).';
