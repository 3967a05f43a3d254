-- Registration: one person, one record. Likely duplicates are shown before a second record is made.

create function patient.find_duplicates(
  p_name text,
  p_birth_date date,
  p_birth_date_precision text default 'day',
  p_sex text default null,
  p_mobile_bidx bytea default null,
  p_threshold numeric default null
) returns table (patient_id uuid, score numeric, reasons text[])
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_key text := patient.name_key(p_name);
  v_threshold numeric := coalesce(p_threshold, (core.setting('patient.match_threshold') #>> '{}')::numeric, 0.70);
begin
  return query
  with candidate as (
    -- two index ranges: same sound and about the same birth date, or same mobile number
    select p.id, p.name_phonetic, p.birth_date, p.birth_date_precision, p.sex, p.mobile_bidx
    from patient.patients p
    where
      p.tenant_id = v_tenant and p.deleted_at is null and p.merged_into_id is null and v_key <> ''
      and p.name_phonetic = v_key and p.birth_date between p_birth_date - 366 and p_birth_date + 366
    union
    select p.id, p.name_phonetic, p.birth_date, p.birth_date_precision, p.sex, p.mobile_bidx
    from patient.patients p
    where p.tenant_id = v_tenant and p.deleted_at is null and p.merged_into_id is null and p.mobile_bidx = p_mobile_bidx
  ),
  compared as (
    select
      c.id,
      c.name_phonetic = v_key as same_name,
      c.birth_date = p_birth_date
        and 'day' = all (array[c.birth_date_precision, p_birth_date_precision]) as same_birth_date,
      abs(c.birth_date - p_birth_date) <= 366
        and 'day' <> any (array[c.birth_date_precision, p_birth_date_precision]) as near_birth_date,
      abs(c.birth_date - p_birth_date) > 366 as other_birth_date,
      c.mobile_bidx = p_mobile_bidx as same_mobile,
      c.sex = p_sex and p_sex <> 'unknown' as same_sex
    from candidate c
  ),
  scored as (
    select
      m.id,
      greatest(
        case when m.same_name then 0.45 else 0 end
        + case
            when m.same_birth_date then 0.30
            when m.near_birth_date then 0.15
            when m.other_birth_date then -0.15
            else 0
          end
        + case when m.same_mobile then 0.20 else 0 end
        + case when m.same_sex then 0.05 else 0 end,
        0
      ) as score,
      array_remove(
        array[
          case when m.same_name then 'name' end,
          case when m.same_birth_date or m.near_birth_date then 'birth_date' end,
          case when m.same_mobile then 'mobile' end,
          case when m.same_sex then 'sex' end
        ],
        null
      ) as reasons
    from compared m
  )
  select s.id, s.score, s.reasons
  from scored s
  where s.score >= v_threshold
  order by s.score desc, s.id
  limit 20;
end
$$;

comment on function patient.find_duplicates(text, date, text, text, bytea, numeric) is 'about=Patients that may be the same person, best first, with a score of 0 to 1 (name 0.45, birth date 0.30, mobile 0.20, sex 0.05) and what they have in common. Threshold: p_threshold, else setting patient.match_threshold, else 0.70. IM003 no tenant.';

create function patient.bytes_of(p_object jsonb, p_key text) returns bytea
  language plpgsql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_object ->> p_key !~ '^\\x([0-9a-fA-F]{2})+$' then
    raise exception '"%" must be bytes in hexadecimal', p_key
      using errcode = '22023', hint = 'encrypt in the application and send \x and two digits a byte; never plain text';
  end if;
  return (p_object ->> p_key)::bytea;
end
$$;

comment on function patient.bytes_of(jsonb, text) is 'about=Bytes of one key of an object, written as PostgreSQL writes bytea (\x00ff). 22023 anything else, so that plain text cannot slip into an encrypted column.';

create function patient.add_identifier(p_patient_id uuid, p_identifier jsonb) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_system text := p_identifier ->> 'system_uri';
  v_bidx bytea := patient.bytes_of(p_identifier, 'value_bidx');
  v_id uuid;
  v_holder uuid;
begin
  perform
  from patient.patients p
  where p.tenant_id = v_tenant and p.id = p_patient_id and p.merged_into_id is null and p.deleted_at is null;
  if not found then
    raise exception 'patient % does not exist or was merged', p_patient_id
      using errcode = 'IM005', hint = 'search the patient again';
  end if;
  -- whoever else registers this identifier waits until we are done
  perform pg_advisory_xact_lock(hashtextextended('patient.identifier' || v_tenant || encode(v_bidx, 'hex'), 0));
  select i.id, i.patient_id into v_id, v_holder
  from patient.patient_identifiers i
  where i.tenant_id = v_tenant and i.system_uri = v_system and i.value_bidx = v_bidx and i.deleted_at is null;
  if v_holder = p_patient_id then
    return v_id;
  end if;
  if v_holder is not null then
    raise exception 'an identifier of system "%" belongs to patient %', v_system, v_holder
      using errcode = 'IM210', hint = 'open that patient, or propose a merge if both are one person';
  end if;

  insert into patient.patient_identifiers (
    tenant_id, patient_id, kind, system_uri, value_enc, value_bidx, value_last4, assigner, verified_at,
    verification_method, is_primary
  )
  values (
    v_tenant, p_patient_id, p_identifier ->> 'kind', v_system, patient.bytes_of(p_identifier, 'value_enc'), v_bidx,
    p_identifier ->> 'value_last4', p_identifier ->> 'assigner', (p_identifier ->> 'verified_at')::timestamptz,
    p_identifier ->> 'verification_method', coalesce((p_identifier ->> 'is_primary')::boolean, false)
  )
  returning id into v_id;
  return v_id;
end
$$;

comment on function patient.add_identifier(uuid, jsonb) is 'about=Gives a patient an identifier {kind, system_uri, value_enc, value_bidx, value_last4, assigner, verified_at, verification_method, is_primary}, bytes in hexadecimal; returns its row. Giving it twice changes nothing. IM003 no tenant, IM005 no such patient, IM210 it belongs to another patient.';

create function patient.register(
  p_demographics jsonb,
  p_identifiers jsonb default '[]',
  p_key text default null,
  p_force boolean default false,
  p_force_reason text default null
) returns table (outcome text, patient_id uuid, mrn text, candidates jsonb, failure_code text)
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_known text[] := array[
    'mrn', 'given_name', 'middle_name', 'family_name', 'sex', 'gender_identity', 'birth_date', 'birth_date_precision',
    'deceased_at', 'blood_group', 'marital_status', 'language', 'nationality', 'mobile_enc', 'mobile_bidx', 'email_enc',
    'email_bidx', 'address_enc', 'pin_code', 'state_code', 'district_lgd', 'phi_enc', 'data_key_kid', 'emr_system',
    'emr_id', 'portal_user_id', 'registered_clinic_id', 'is_vip'
  ];
  -- ciphertext of the same text differs every time, so it does not tell a repeated request from another one
  v_ciphertext text[] := array['mobile_enc', 'email_enc', 'address_enc', 'phi_enc', 'data_key_kid', 'value_enc'];
  v_hash bytea;
  v_claim record;
  v_unknown text;
  v_name text := concat_ws(
    ' ', p_demographics ->> 'given_name', p_demographics ->> 'middle_name', p_demographics ->> 'family_name'
  );
  v_birth_date date := (p_demographics ->> 'birth_date')::date;
  v_mobile_bidx bytea := patient.bytes_of(p_demographics, 'mobile_bidx');
  v_clinic_id uuid := (p_demographics ->> 'registered_clinic_id')::uuid;
  v_clinic record;
  v_identifier jsonb;
  v_lock text;
  v_candidates jsonb := '[]';
  v_id uuid;
  v_mrn text;
  v_response jsonb;
begin
  if p_key is not null then
    select sha256(convert_to(
      jsonb_build_array(
        p_demographics - v_ciphertext,
        (
          select jsonb_agg(e.value - v_ciphertext order by e.ordinality)
          from jsonb_array_elements(p_identifiers) with ordinality e
        ),
        p_force
      )::text,
      'UTF8'
    ))
    into v_hash;
    v_claim := core.idempotent_begin('patient.register', p_key, v_hash);
    if v_claim.state = 'done' then
      return query
      select
        v_claim.response ->> 'outcome', (v_claim.response ->> 'patient_id')::uuid, v_claim.response ->> 'mrn',
        v_claim.response -> 'candidates', v_claim.response ->> 'failure_code';
      return;
    end if;
  end if;

  select k.key into v_unknown from jsonb_object_keys(p_demographics) as k (key) where k.key <> all (v_known) limit 1;
  if v_unknown is not null then
    raise exception 'demographics has an unknown key "%"', v_unknown
      using errcode = '22023', hint = 'known keys: ' || array_to_string(v_known, ', ');
  end if;
  if p_force and nullif(btrim(p_force_reason), '') is null then
    raise exception 'registering a likely duplicate needs a reason'
      using errcode = 'IM002', hint = 'pass p_force_reason: why this is another person';
  end if;
  perform patient.check_birth_date(v_birth_date);

  select c.code, c.status into v_clinic
  from facility.clinics c
  where c.tenant_id = v_tenant and c.id = v_clinic_id and c.deleted_at is null;
  if not found then
    raise exception 'clinic % does not exist', v_clinic_id
      using errcode = 'IM005', hint = 'set registered_clinic_id to a clinic of the tenant';
  end if;
  if v_clinic.status in ('suspended', 'closed') then
    raise exception 'clinic % is % and registers nobody', v_clinic_id, v_clinic.status
      using errcode = 'IM006', hint = 'choose an active clinic';
  end if;

  -- Two desks that register the same person at the same moment meet here: by name and birth date, by mobile number, by
  -- identifier. All in one order, so that they cannot wait for each other in a circle.
  for v_lock in
    select l.key
    from (
      select 'patient.name' || v_tenant || patient.name_key(v_name) || coalesce(v_birth_date::text, '') as key
      union
      select 'patient.mobile' || v_tenant || encode(v_mobile_bidx, 'hex')
      union
      select 'patient.identifier' || v_tenant || encode(patient.bytes_of(e.value, 'value_bidx'), 'hex')
      from jsonb_array_elements(p_identifiers) e
    ) l
    where l.key is not null
    order by hashtextextended(l.key, 0)
  loop
    perform pg_advisory_xact_lock(hashtextextended(v_lock, 0));
  end loop;

  if not p_force then
    select coalesce(
      jsonb_agg(
        jsonb_build_object('patient_id', d.patient_id, 'score', d.score, 'reasons', d.reasons) order by d.score desc
      ),
      '[]'
    )
    into v_candidates
    from patient.find_duplicates(
      v_name, v_birth_date, coalesce(p_demographics ->> 'birth_date_precision', 'day'), p_demographics ->> 'sex',
      v_mobile_bidx
    ) d;
  end if;

  if v_candidates = '[]' then
    if p_force then
      perform core.set_reason(p_force_reason);
    end if;
    v_id := core.uuid_v7();
    v_mrn := coalesce(
      p_demographics ->> 'mrn',
      core.next_number('mrn', case when core.setting('mrn.series') #>> '{}' = 'clinic' then v_clinic.code else '' end)
    );
    insert into patient.patients (
      tenant_id, id, mrn, given_name, middle_name, family_name, sex, gender_identity, birth_date, birth_date_precision,
      blood_group, marital_status, language, nationality, mobile_enc, mobile_bidx, email_enc, email_bidx, address_enc,
      pin_code, state_code, district_lgd, phi_enc, data_key_kid, emr_system, emr_id, portal_user_id,
      registered_clinic_id, is_vip, deceased_at
    )
    values (
      v_tenant, v_id, v_mrn, p_demographics ->> 'given_name', p_demographics ->> 'middle_name',
      p_demographics ->> 'family_name', coalesce(p_demographics ->> 'sex', 'unknown'),
      p_demographics ->> 'gender_identity', v_birth_date, coalesce(p_demographics ->> 'birth_date_precision', 'day'),
      p_demographics ->> 'blood_group',
      p_demographics ->> 'marital_status', p_demographics ->> 'language', p_demographics ->> 'nationality',
      patient.bytes_of(p_demographics, 'mobile_enc'), v_mobile_bidx, patient.bytes_of(p_demographics, 'email_enc'),
      patient.bytes_of(p_demographics, 'email_bidx'), patient.bytes_of(p_demographics, 'address_enc'),
      p_demographics ->> 'pin_code', p_demographics ->> 'state_code', (p_demographics ->> 'district_lgd')::int,
      nullif(p_demographics -> 'phi_enc', 'null'), p_demographics ->> 'data_key_kid',
      coalesce((p_demographics ->> 'emr_system')::core.emr_system, 'INTERNAL'), p_demographics ->> 'emr_id',
      (p_demographics ->> 'portal_user_id')::uuid, v_clinic_id, coalesce((p_demographics ->> 'is_vip')::boolean, false),
      (p_demographics ->> 'deceased_at')::timestamptz
    );
    for v_identifier in select e.value from jsonb_array_elements(p_identifiers) e
    loop
      perform patient.add_identifier(v_id, v_identifier);
    end loop;
  end if;

  v_response := jsonb_build_object(
    'outcome', case when v_id is null then 'likely_duplicate' else 'registered' end,
    'patient_id', v_id,
    'mrn', v_mrn,
    'candidates', v_candidates,
    'failure_code', case when v_id is null then 'IM211' end
  );
  if p_key is not null then
    perform core.idempotent_finish('patient.register', p_key, v_response);
  end if;
  return query
  select v_response ->> 'outcome', v_id, v_mrn, v_candidates, v_response ->> 'failure_code';
end
$$;

comment on function patient.register(jsonb, jsonb, text, boolean, text) is 'about=Registers a patient with identifiers and takes an MRN from series mrn. p_demographics has the columns of patient.patients by name, encrypted and blind-index bytes in hexadecimal. outcome registered, or likely_duplicate (failure_code IM211) with candidates and nothing written; p_force with a reason registers all the same, under a new p_key. Same p_key and content, same answer. IM002, IM003, IM005 no such clinic, IM006 clinic closed, IM010, IM011, IM210 identifier of another patient, IM212 birth date or MRN, IM551 no MRN series.';
