-- Discharge in four steps: ordered, clinically complete, billing cleared, physically gone. Modules whose work must be done
-- before a step refuse it by a trigger on clinical.admissions (IM203). The bed goes to cleaning at the last step only.

create function clinical.order_discharge(p_admission_id uuid, p_kind text default 'normal') returns clinical.admissions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_admission clinical.admissions := clinical.lock_admission(p_admission_id);
begin
  if v_admission.status = 'discharge_ordered' and v_admission.discharge_kind = p_kind then
    return v_admission;
  end if;
  if v_admission.status <> 'admitted' then
    raise exception 'admission % is %', p_admission_id, v_admission.status
      using errcode = 'IM001', hint = 'only a patient who is admitted can be discharged; withdraw an order to change its kind';
  end if;
  update clinical.admissions a
  set
    status = 'discharge_ordered', discharge_ordered_at = now(), discharge_ordered_by = workforce.acting_staff_id(),
    discharge_kind = p_kind
  where a.tenant_id = v_admission.tenant_id and a.id = p_admission_id
  returning a.* into v_admission;
  return v_admission;
end
$$;

comment on function clinical.order_discharge(uuid, text) is 'about=Step 1: a member of staff orders discharge, as normal, lama, dama, transfer, death or absconded. IM001 not admitted, IM005 no such admission, IM006 the user is no member of staff.';

create function clinical.withdraw_discharge(p_admission_id uuid, p_reason text) returns clinical.admissions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_admission clinical.admissions := clinical.lock_admission(p_admission_id);
begin
  if v_admission.status = 'admitted' then
    return v_admission;
  end if;
  perform clinical.require_reason(p_reason, 'withdrawing a discharge');
  update clinical.admissions a
  set
    status = 'admitted', discharge_ordered_at = null, discharge_ordered_by = null, discharge_kind = null,
    pharmacy_cleared_at = null, pharmacy_waiver_reason = null, billing_cleared_at = null, billing_waiver_reason = null
  where a.tenant_id = v_admission.tenant_id and a.id = p_admission_id
  returning a.* into v_admission;
  return v_admission;
end
$$;

comment on function clinical.withdraw_discharge(uuid, text) is 'about=The patient stays after all: back to admitted, clearances are void. IM001 not in discharge, IM002 no reason, IM005 no such admission.';

create function clinical.complete_clinical_discharge(p_admission_id uuid) returns clinical.admissions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_admission clinical.admissions := clinical.lock_admission(p_admission_id);
  v_form text;
begin
  if v_admission.status = 'clinically_discharged' then
    return v_admission;
  end if;
  if v_admission.status <> 'discharge_ordered' then
    raise exception 'admission % is %', p_admission_id, v_admission.status
      using errcode = 'IM001', hint = 'order discharge first';
  end if;
  v_form := core.setting('clinical.discharge_forms') ->> v_admission.discharge_kind;
  if not exists (
    select
    from clinical.discharge_summaries s
    where s.tenant_id = v_admission.tenant_id and s.encounter_id = v_admission.encounter_id and s.status = 'final'
  ) and not exists (
    select
    from clinical.medical_records r
    where
      r.tenant_id = v_admission.tenant_id and r.encounter_id = v_admission.encounter_id and r.type_code = v_form
      and r.status = 'signed'
  ) then
    raise exception 'stay % has no final discharge summary', v_admission.encounter_id
      using errcode = 'IM205',
        hint = coalesce('approve the summary, or sign the form ' || v_form, 'approve the summary first');
  end if;
  update clinical.admissions a
  set status = 'clinically_discharged'
  where a.tenant_id = v_admission.tenant_id and a.id = p_admission_id
  returning a.* into v_admission;
  return v_admission;
end
$$;

comment on function clinical.complete_clinical_discharge(uuid) is 'about=Step 2: the clinical work is done. It needs a final discharge summary, or the signed form that setting clinical.discharge_forms names for the kind of discharge (death, left against advice, absconded). IM001 not ordered, IM005 no such admission, IM203 work of another module is open, IM205 no summary.';

create function clinical.clear_pharmacy(p_admission_id uuid, p_waiver_reason text default null)
  returns clinical.admissions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_admission clinical.admissions := clinical.lock_admission(p_admission_id);
begin
  if v_admission.pharmacy_cleared_at is not null then
    return v_admission;
  end if;
  if v_admission.status not in ('discharge_ordered', 'clinically_discharged') then
    raise exception 'admission % is %', p_admission_id, v_admission.status
      using errcode = 'IM001', hint = 'order discharge first';
  end if;
  update clinical.admissions a
  set pharmacy_cleared_at = now(), pharmacy_waiver_reason = nullif(btrim(p_waiver_reason), '')
  where a.tenant_id = v_admission.tenant_id and a.id = p_admission_id
  returning a.* into v_admission;
  return v_admission;
end
$$;

comment on function clinical.clear_pharmacy(uuid, text) is 'about=The pharmacy has nothing open for the stay, or its clearance is waived with a reason. IM001 discharge is not ordered, IM005 no such admission, IM203 the module of medicines has something open.';

create function clinical.clear_billing(p_admission_id uuid, p_waiver_reason text default null)
  returns clinical.admissions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_admission clinical.admissions := clinical.lock_admission(p_admission_id);
begin
  if v_admission.status = 'billing_cleared' then
    return v_admission;
  end if;
  if v_admission.status <> 'clinically_discharged' then
    raise exception 'admission % is %', p_admission_id, v_admission.status
      using errcode = 'IM001', hint = 'complete the clinical discharge first';
  end if;
  if v_admission.pharmacy_cleared_at is null then
    raise exception 'admission % is not cleared by the pharmacy', p_admission_id
      using errcode = 'IM203', hint = 'clear the pharmacy first: its bill must be complete';
  end if;
  update clinical.admissions a
  set
    status = 'billing_cleared', billing_cleared_at = now(), billing_waiver_reason = nullif(btrim(p_waiver_reason), '')
  where a.tenant_id = v_admission.tenant_id and a.id = p_admission_id
  returning a.* into v_admission;
  return v_admission;
end
$$;

comment on function clinical.clear_billing(uuid, text) is 'about=Step 3: the bill is settled, or waived with a reason. IM001 not clinically discharged, IM005 no such admission, IM203 the pharmacy is not cleared, or the bill is open.';

create function clinical.record_departure(p_admission_id uuid) returns clinical.admissions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_admission clinical.admissions := clinical.lock_admission(p_admission_id);
begin
  if v_admission.status = 'discharged' then
    return v_admission;
  end if;
  if v_admission.status <> 'billing_cleared' then
    raise exception 'admission % is %', p_admission_id, v_admission.status
      using errcode = 'IM203',
        hint = 'open: ' || case v_admission.status
          when 'clinically_discharged' then 'billing clearance'
          when 'discharge_ordered' then 'clinical discharge and billing clearance'
          else 'discharge is not ordered'
        end;
  end if;
  update clinical.admissions a
  set status = 'discharged', physically_left_at = now()
  where a.tenant_id = v_admission.tenant_id and a.id = p_admission_id
  returning a.* into v_admission;
  perform clinical.end_encounter(
    clinical.lock_encounter(v_admission.encounter_id),
    case v_admission.discharge_kind
      when 'normal' then 'home'
      when 'transfer' then 'transferred'
      when 'death' then 'expired'
      else v_admission.discharge_kind
    end
  );
  return v_admission;
end
$$;

comment on function clinical.record_departure(uuid) is 'about=Step 4: the patient has left the building. The stay is discharged, its encounter finished, the care team ends and the bed goes to cleaning. Asked again: nothing changes. IM005 no such admission, IM203 a step before is open; 55P03 after 3 s behind others.';
