-- What becomes of an order after it was signed: held, resumed, stopped, completed, entered in error, lapsed. Doses that
-- were to come follow their order; doses whose time has passed stay to be explained.

create function medication.move_doses(
  p_item medication.prescription_items,
  p_from text[],
  p_to text,
  p_reason text,
  p_after timestamptz default now()
) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  update medication.medication_administrations a
  set status = p_to, not_given_reason = p_reason
  where
    a.tenant_id = p_item.tenant_id and a.prescription_item_id = p_item.id and a.scheduled_at > p_after
    and a.status = any (p_from);
end
$$;

comment on function medication.move_doses(medication.prescription_items, text[], text, text, timestamptz) is 'about=Holds or cancels the doses of an item that are due after a moment.';

create function medication.close_if_done(p_prescription_id uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  if exists (
    select
    from medication.prescription_items i
    where
      i.tenant_id = v_tenant and i.prescription_id = p_prescription_id and i.status in ('draft', 'active', 'on_hold')
  ) then
    return;
  end if;
  update medication.prescriptions p
  set
    status = case
      when exists (
        select
        from medication.prescription_items i
        where i.tenant_id = v_tenant and i.prescription_id = p_prescription_id and i.status = 'completed'
      ) then 'completed'
      else 'stopped'
    end
  where p.tenant_id = v_tenant and p.id = p_prescription_id and p.status in ('active', 'partially_dispensed');
end
$$;

comment on function medication.close_if_done(uuid) is 'about=Ends a prescription, which the caller has locked, when none of its items goes on: completed when one of them was, else stopped.';

create function medication.hold_item(p_item_id uuid, p_reason text) returns medication.prescription_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item medication.prescription_items := medication.lock_item(p_item_id);
begin
  if v_item.status = 'on_hold' then
    return v_item;
  end if;
  perform core.set_reason(btrim(p_reason));
  update medication.prescription_items i
  set status = 'on_hold', stop_reason = btrim(p_reason)
  where i.tenant_id = v_item.tenant_id and i.id = p_item_id
  returning i.* into v_item;
  perform medication.move_doses(v_item, '{due}', 'held', v_item.stop_reason);
  return v_item;
end
$$;

comment on function medication.hold_item(uuid, text) is 'about=Holds a medicine, for example before an operation; its coming doses are held. IM001 it is not active, IM002 no reason, IM005 no such item.';

create function medication.resume_item(p_item_id uuid) returns medication.prescription_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item medication.prescription_items := medication.lock_item(p_item_id);
begin
  if v_item.status = 'active' then
    return v_item;
  end if;
  update medication.prescription_items i
  set status = 'active', stop_reason = null
  where i.tenant_id = v_item.tenant_id and i.id = p_item_id
  returning i.* into v_item;
  return v_item;
end
$$;

comment on function medication.resume_item(uuid) is 'about=Ends the hold of a medicine; doses that were held may be given. IM001 it is not on hold, IM005 no such item.';

create function medication.end_item(p_item medication.prescription_items, p_status text, p_reason text)
  returns medication.prescription_items
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item medication.prescription_items;
begin
  update medication.prescription_items i
  set
    status = p_status, stop_reason = coalesce(p_reason, i.stop_reason),
    stop_at = least(i.stop_at, greatest(i.start_at, now()))
  where i.tenant_id = p_item.tenant_id and i.id = p_item.id
  returning i.* into v_item;
  perform medication.move_doses(v_item, '{due,held}', 'cancelled', coalesce(p_reason, 'course completed'));
  return v_item;
end
$$;

comment on function medication.end_item(medication.prescription_items, text, text) is 'about=Stops or completes an item that the caller has locked, and cancels its coming doses.';

create function medication.stop_item(p_item_id uuid, p_reason text) returns medication.prescription_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item medication.prescription_items := medication.lock_item(p_item_id);
begin
  if v_item.status = 'stopped' then
    return v_item;
  end if;
  perform core.set_reason(btrim(p_reason));
  v_item := medication.end_item(v_item, 'stopped', btrim(p_reason));
  perform medication.close_if_done(v_item.prescription_id);
  return v_item;
end
$$;

comment on function medication.stop_item(uuid, text) is 'about=Stops a medicine for good and cancels its coming doses; with its last medicine the prescription ends. IM001 it is a draft or over, IM002 no reason, IM005 no such item.';

create function medication.complete_item(p_item_id uuid) returns medication.prescription_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item medication.prescription_items := medication.lock_item(p_item_id);
begin
  if v_item.status = 'completed' then
    return v_item;
  end if;
  v_item := medication.end_item(v_item, 'completed', null);
  perform medication.close_if_done(v_item.prescription_id);
  return v_item;
end
$$;

comment on function medication.complete_item(uuid) is 'about=The course of a medicine is over as planned. IM001 it is not active, IM005 no such item.';

create function medication.mark_item_in_error(p_item_id uuid, p_reason text) returns medication.prescription_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item medication.prescription_items := medication.lock_item(p_item_id);
begin
  if v_item.status = 'entered_in_error' then
    return v_item;
  end if;
  perform core.set_reason(btrim(p_reason));
  update medication.prescription_items i
  set status = 'entered_in_error', stop_reason = btrim(p_reason)
  where i.tenant_id = v_item.tenant_id and i.id = p_item_id
  returning i.* into v_item;
  return v_item;
end
$$;

comment on function medication.mark_item_in_error(uuid, text) is 'about=Says of a stopped medicine that it should never have been ordered. IM001 it is not stopped, IM002 no reason, IM005 no such item.';

create function medication.stop_prescription(p_prescription_id uuid, p_reason text) returns medication.prescriptions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_prescription medication.prescriptions := medication.lock_prescription(p_prescription_id);
  v_item medication.prescription_items;
begin
  if v_prescription.status = 'stopped' then
    return v_prescription;
  end if;
  if v_prescription.status = 'draft' then
    raise exception 'prescription % is a draft', p_prescription_id
      using errcode = 'IM001', hint = 'use medication.cancel_prescription';
  end if;
  perform core.set_reason(btrim(p_reason));
  for v_item in
    select i.*
    from medication.prescription_items i
    where
      i.tenant_id = v_prescription.tenant_id and i.prescription_id = p_prescription_id
      and i.status in ('active', 'on_hold')
    order by i.id
    for no key update
  loop
    perform medication.end_item(v_item, 'stopped', btrim(p_reason));
  end loop;
  update medication.prescriptions p
  set status = 'stopped', cancel_reason = btrim(p_reason)
  where p.tenant_id = v_prescription.tenant_id and p.id = p_prescription_id
  returning p.* into v_prescription;
  return v_prescription;
end
$$;

comment on function medication.stop_prescription(uuid, text) is 'about=Stops a prescription with all its medicines and cancels their coming doses. IM001 it is a draft or over, IM002 no reason, IM005 no such prescription.';

create function medication.expire_prescriptions(p_limit int default 500) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_yesterday date := core.tenant_today() - 1; -- a clinic of the tenant may lie further west
  v_expired int;
begin
  with lapsed as (
    select p.id
    from medication.prescriptions p
    where
      p.tenant_id = v_tenant and p.status in ('active', 'partially_dispensed') and p.valid_until < v_yesterday
    order by p.valid_until
    limit p_limit
    for no key update skip locked
  )
  update medication.prescriptions p
  set status = 'expired'
  from lapsed l
  where p.tenant_id = v_tenant and p.id = l.id;
  get diagnostics v_expired = row_count;
  return v_expired;
end
$$;

comment on function medication.expire_prescriptions(int) is 'about=Job: marks prescriptions whose last day is over everywhere as expired and returns how many. Their medicines stay as they are: they cannot be dispensed any more, but may still be taken.';
