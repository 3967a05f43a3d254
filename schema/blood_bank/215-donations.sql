-- A donation: screened, collected.

create function blood_bank.lock_donation(p_donation_id uuid) returns blood_bank.donations
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_donation blood_bank.donations;
begin
  select d.* into v_donation
  from blood_bank.donations d
  where d.tenant_id = v_tenant and d.id = p_donation_id
  for no key update;
  if not found then
    raise exception 'donation % does not exist', p_donation_id
      using errcode = 'IM005', hint = 'choose a donation of the tenant';
  end if;
  return v_donation;
end
$$;

comment on function blood_bank.lock_donation(uuid) is 'about=The donation, locked until the transaction ends. IM005 no such donation.';

create function blood_bank.lock_donor_of(p_donation_id uuid) returns blood_bank.donors
  language sql
  set search_path = pg_catalog, pg_temp
as $$
  select l.*
  from blood_bank.donations d
  cross join lateral blood_bank.lock_donor(d.donor_id) l
  where d.tenant_id = core.require_tenant() and d.id = p_donation_id
$$;

comment on function blood_bank.lock_donor_of(uuid) is 'about=Locks the donor of a donation, before the donation itself; no row when there is no such donation.';

create function blood_bank.screen_donor(
  p_donor_id uuid,
  p_kind text,
  p_donation_site text,
  p_weight_kg numeric,
  p_haemoglobin_g_dl numeric,
  p_systolic int,
  p_diastolic int,
  p_pulse int,
  p_temperature_c numeric,
  p_screened_by uuid,
  p_questionnaire jsonb default '{}',
  p_defer_reason text default null,
  p_defer_until date default null,
  p_consent_signature_id uuid default null,
  p_camp_name text default null,
  p_key text default null
) returns blood_bank.donations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_today date := core.tenant_today();
  v_claim record;
  v_donor blood_bank.donors;
  v_donation blood_bank.donations;
  v_rule text;
begin
  if p_key is not null then
    v_claim := core.idempotent_begin(
      'blood_bank.screen_donor', p_key,
      sha256(convert_to(
        jsonb_build_array(
          p_donor_id, p_kind, p_weight_kg, p_haemoglobin_g_dl, p_systolic, p_diastolic, p_pulse, p_temperature_c,
          p_questionnaire, p_defer_reason
        )::text, 'UTF8'
      ))
    );
    if v_claim.state = 'done' then
      select d.* into v_donation
      from blood_bank.donations d
      where d.tenant_id = v_tenant and d.id = (v_claim.response ->> 'donation_id')::uuid;
      return v_donation;
    end if;
  end if;

  v_donor := blood_bank.lock_donor(p_donor_id);
  v_rule := blood_bank.donor_hindrance(p_donor_id, p_kind, v_today);
  if v_rule is not null then
    raise exception 'donor % may not donate: %', p_donor_id, v_rule
      using errcode = 'IM359', hint = 'tell the donor from when on; setting bloodbank.donor has the limits';
  end if;
  if v_donor.status = 'deferred' then -- the deferral has lapsed
    update blood_bank.donors d
    set status = 'active'
    where d.tenant_id = v_tenant and d.id = v_donor.id
    returning d.* into v_donor;
  end if;

  v_rule := coalesce(
    p_defer_reason,
    blood_bank.screening_failure(
      p_weight_kg, p_haemoglobin_g_dl, p_systolic, p_diastolic, p_pulse, p_temperature_c
    )
  );
  insert into blood_bank.donations as d (
    tenant_id, donor_id, kind, donation_site, camp_name, screened_by, weight_kg, haemoglobin_g_dl, systolic, diastolic,
    pulse, temperature_c, questionnaire, consent_signature_id, eligible
  )
  values (
    v_tenant, p_donor_id, p_kind, p_donation_site, p_camp_name, p_screened_by, p_weight_kg, p_haemoglobin_g_dl,
    p_systolic, p_diastolic, p_pulse, p_temperature_c, p_questionnaire, p_consent_signature_id, v_rule is null
  )
  returning d.* into v_donation;
  update blood_bank.donations d
  set status = case when v_rule is null then 'screened' else 'deferred' end, deferral_reason = v_rule
  where d.tenant_id = v_tenant and d.id = v_donation.id
  returning d.* into v_donation;
  if v_rule is not null then
    perform blood_bank.write_deferral(
      v_donor, v_rule, 'temporary',
      coalesce(
        p_defer_until,
        v_today + coalesce(blood_bank.limit_of('bloodbank.donor', 'deferral_days', v_rule)::int, 28)
      ),
      p_screened_by, 'screening', null, false
    );
  end if;

  if p_key is not null then
    perform core.idempotent_finish(
      'blood_bank.screen_donor', p_key, jsonb_build_object('donation_id', v_donation.id)
    );
  end if;
  return v_donation;
end
$$;

comment on function blood_bank.screen_donor(uuid, text, text, numeric, numeric, int, int, int, numeric, uuid, jsonb, text, date, uuid, text, text) is 'about=Screens a donor for a donation: screened when everything is within setting bloodbank.donor; deferred, with a deferral of the donor, when a measurement is not or the screener says so (p_defer_reason). Same p_key and content, same answer. IM005 no such donor, IM010, IM011, IM359 the donor may not be screened now: age, interval, an open deferral.';

create function blood_bank.start_collection(
  p_donation_id uuid,
  p_din text,
  p_bag_lot text,
  p_bag_type text,
  p_phlebotomist_id uuid,
  p_started_at timestamptz default now()
) returns blood_bank.donations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_donation blood_bank.donations := blood_bank.lock_donation(p_donation_id);
  v_rule text;
begin
  if v_donation.status in ('collecting', 'collected', 'quarantined', 'released') and v_donation.din = p_din then
    return v_donation;
  end if;
  v_rule := blood_bank.donor_hindrance(
    v_donation.donor_id, v_donation.kind, (p_started_at at time zone core.tenant_zone())::date
  );
  if v_rule is not null then -- deferred since the screening
    raise exception 'donor % may not donate: %', v_donation.donor_id, v_rule
      using errcode = 'IM359', hint = 'screen the donor again';
  end if;
  update blood_bank.donations d
  set
    status = 'collecting', din = p_din, bag_lot = p_bag_lot, bag_type = p_bag_type,
    phlebotomist_id = p_phlebotomist_id, started_at = p_started_at
  where d.tenant_id = v_donation.tenant_id and d.id = v_donation.id
  returning d.* into v_donation;
  return v_donation;
end
$$;

comment on function blood_bank.start_collection(uuid, text, text, text, uuid, timestamptz) is 'about=Labels the bag with its donation identification number and begins. IM001 not screened, IM005 no such donation, IM359 the donor was deferred meanwhile.';

create function blood_bank.finish_collection(
  p_donation_id uuid,
  p_volume_ml int,
  p_ended_at timestamptz default now(),
  p_incomplete boolean default false,
  p_adverse_reaction jsonb default null
) returns blood_bank.donations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_donor blood_bank.donors := blood_bank.lock_donor_of(p_donation_id);
  v_donation blood_bank.donations := blood_bank.lock_donation(p_donation_id);
  v_day date := (p_ended_at at time zone core.tenant_zone())::date;
begin
  if v_donation.status in ('collected', 'quarantined', 'released', 'discarded', 'incomplete') then
    return v_donation;
  end if;
  update blood_bank.donations d
  set
    status = case when p_incomplete then 'incomplete' else 'collected' end, volume_ml = p_volume_ml,
    ended_at = p_ended_at, adverse_reaction = p_adverse_reaction
  where d.tenant_id = v_donation.tenant_id and d.id = v_donation.id
  returning d.* into v_donation;
  -- an incomplete donation was a loss of blood as well: the interval counts, the donation does not
  update blood_bank.donors d
  set
    total_donations = d.total_donations + case when p_incomplete then 0 else 1 end,
    last_whole_blood_on = case
      when v_donation.kind in ('whole_blood', 'double_red_cell') then greatest(d.last_whole_blood_on, v_day)
      else d.last_whole_blood_on
    end,
    last_apheresis_on = case
      when v_donation.kind in ('plateletpheresis', 'plasmapheresis') then greatest(d.last_apheresis_on, v_day)
      else d.last_apheresis_on
    end
  where d.tenant_id = v_donor.tenant_id and d.id = v_donor.id;
  return v_donation;
end
$$;

comment on function blood_bank.finish_collection(uuid, int, timestamptz, boolean, jsonb) is 'about=Ends a collection: collected, or incomplete (no components). Counts the donation and starts the interval of the donor. IM001 not being collected, IM005 no such donation, IM359 more than the donor''s weight allows.';
