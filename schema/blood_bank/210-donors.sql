-- Donors: register, defer.

create function blood_bank.lock_donor(p_donor_id uuid) returns blood_bank.donors
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_donor blood_bank.donors;
begin
  select d.* into v_donor
  from blood_bank.donors d
  where d.tenant_id = v_tenant and d.id = p_donor_id and d.deleted_at is null
  for no key update;
  if not found then
    raise exception 'donor % does not exist', p_donor_id
      using errcode = 'IM005', hint = 'choose a donor of the tenant, or call blood_bank.register_donor';
  end if;
  return v_donor;
end
$$;

comment on function blood_bank.lock_donor(uuid) is 'about=The donor, locked until the transaction ends. IM005 no such donor.';

create function blood_bank.register_donor(
  p_name text,
  p_sex text,
  p_birth_date date,
  p_mobile_enc bytea,
  p_mobile_bidx bytea,
  p_donor_type text default 'voluntary',
  p_address_enc bytea default null,
  p_patient_id uuid default null,
  p_consent_to_recall boolean default false
) returns blood_bank.donors
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_donor blood_bank.donors;
begin
  perform pg_advisory_xact_lock(
    hashtextextended('blood_bank.donor ' || v_tenant || encode(p_mobile_bidx, 'hex') || p_birth_date, 0)
  );
  select d.* into v_donor
  from blood_bank.donors d
  where
    d.tenant_id = v_tenant and d.mobile_bidx = p_mobile_bidx and d.birth_date = p_birth_date and d.deleted_at is null;
  if found then
    if lower(btrim(v_donor.name)) = lower(btrim(p_name)) then
      return v_donor;
    end if;
    raise exception 'donor % has this mobile number and birth date under another name', v_donor.id
      using errcode = 'IM211', hint = 'choose that donor, or register with a mobile number of their own';
  end if;
  insert into blood_bank.donors as d (
    tenant_id, donor_number, name, sex, birth_date, mobile_enc, mobile_bidx, donor_type, address_enc, patient_id,
    consent_to_recall
  )
  values (
    v_tenant, core.next_default_number('donor', '', 'DNR-{YY}-'), p_name, p_sex, p_birth_date, p_mobile_enc,
    p_mobile_bidx, p_donor_type, p_address_enc, p_patient_id, p_consent_to_recall
  )
  returning d.* into v_donor;
  return v_donor;
end
$$;

comment on function blood_bank.register_donor(text, text, date, bytea, bytea, text, bytea, uuid, boolean) is 'about=Registers a donor with a number of series donor. The mobile number (blind index) and birth date are the donor: registered again, the same row is returned. IM211 they belong to a donor of another name.';

create function blood_bank.write_deferral(
  p_donor blood_bank.donors,
  p_reason_code text,
  p_kind text,
  p_until_on date,
  p_recorded_by uuid,
  p_source text,
  p_reason_text text,
  p_counselled boolean
) returns blood_bank.donor_deferrals
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_today date := core.tenant_today();
  v_deferral blood_bank.donor_deferrals;
begin
  insert into blood_bank.donor_deferrals as f (
    tenant_id, donor_id, reason_code, reason_text, kind, from_on, until_on, recorded_by, counselled, source
  )
  values (
    p_donor.tenant_id, p_donor.id, p_reason_code, p_reason_text, p_kind, v_today,
    case p_kind when 'temporary' then p_until_on end, p_recorded_by, p_counselled, p_source
  )
  on conflict (tenant_id, donor_id, from_on, reason_code, source) do nothing
  returning f.* into v_deferral;
  if not found then
    select f.* into v_deferral
    from blood_bank.donor_deferrals f
    where
      f.tenant_id = p_donor.tenant_id and f.donor_id = p_donor.id and f.from_on = v_today
      and f.reason_code = p_reason_code and f.source = p_source;
  end if;
  update blood_bank.donors d
  set
    status = case
      when v_deferral.kind = 'permanent' then 'permanently_deferred'
      when d.status = 'active' then 'deferred'
      else d.status
    end,
    permanent_deferral = d.permanent_deferral or v_deferral.kind = 'permanent'
  where d.tenant_id = p_donor.tenant_id and d.id = p_donor.id and d.status <> 'permanently_deferred';
  return v_deferral;
end
$$;

comment on function blood_bank.write_deferral(blood_bank.donors, text, text, date, uuid, text, text, boolean) is 'about=Defers a donor whom the caller has locked; the same reason and source on one day is one deferral.';

create function blood_bank.defer_donor(
  p_donor_id uuid,
  p_reason_code text,
  p_kind text,
  p_recorded_by uuid,
  p_until_on date default null,
  p_source text default 'screening',
  p_reason_text text default null,
  p_counselled boolean default false
) returns blood_bank.donor_deferrals
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return blood_bank.write_deferral(
    blood_bank.lock_donor(p_donor_id), p_reason_code, p_kind, p_until_on, p_recorded_by, p_source, p_reason_text,
    p_counselled
  );
end
$$;

comment on function blood_bank.defer_donor(uuid, text, text, uuid, date, text, text, boolean) is 'about=Defers a donor, temporarily until a day or permanently; the same reason and source on one day is one deferral, which is returned. IM005 no such donor.';
