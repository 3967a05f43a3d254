-- Accounts from opening to closing. Whatever changes the totals of an account locks its row first.

create function billing.lock_account(p_account_id uuid) returns billing.accounts
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_account billing.accounts;
begin
  select a.* into v_account
  from billing.accounts a
  where a.tenant_id = core.require_tenant() and a.id = p_account_id
  for no key update;
  if not found then
    raise exception 'account % does not exist', p_account_id
      using errcode = 'IM005', hint = 'choose an account of the tenant';
  end if;
  return v_account;
end
$$;

comment on function billing.lock_account(uuid) is 'about=The account, locked until the transaction ends. IM005 no such account.';

create function billing.lock_accounts_of(p_account_id uuid, p_invoice_ids uuid[]) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  perform
  from billing.accounts a
  where
    a.tenant_id = v_tenant
    and a.id in (
      select p_account_id
      union all
      select i.account_id -- it never changes, so it can be read before the bill is locked
      from billing.invoices i
      where i.tenant_id = v_tenant and i.id = any (p_invoice_ids)
    )
  order by a.id
  for no key update;
end
$$;

comment on function billing.lock_accounts_of(uuid, uuid[]) is 'about=Locks an account and those of bills until the transaction ends, in the order of their ids: before the bills are locked.';

create function billing.add_to_totals(
  p_account_id uuid,
  p_charged numeric default 0,
  p_paid numeric default 0,
  p_claimed numeric default 0,
  p_written_off numeric default 0
) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  update billing.accounts a
  set
    total_charged = a.total_charged + p_charged,
    total_paid = a.total_paid + p_paid,
    total_claimed = a.total_claimed + p_claimed,
    total_written_off = a.total_written_off + p_written_off
  where a.tenant_id = v_tenant and a.id = p_account_id and a.status <> 'closed';
  if found then
    return;
  end if;
  perform from billing.accounts a where a.tenant_id = v_tenant and a.id = p_account_id;
  if found then
    raise exception 'account % is closed', p_account_id
      using errcode = 'IM558', hint = 'reopen it, or use another account';
  end if;
  raise exception 'account % does not exist', p_account_id
    using errcode = 'IM005', hint = 'choose an account of the tenant';
end
$$;

comment on function billing.add_to_totals(uuid, numeric, numeric, numeric, numeric) is 'about=Adds to the totals of an open account; module payment calls it for what the patient paid. IM005 no such account, IM558 closed.';

create function billing.check_coverage(p_patient_id uuid, p_payer_id uuid, p_coverage_id uuid) returns uuid
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_coverage record;
begin
  if p_coverage_id is null then
    return p_payer_id;
  end if;
  select c.patient_id, c.payer_id into v_coverage
  from insurance.coverages c
  where c.tenant_id = core.require_tenant() and c.id = p_coverage_id;
  if not found or v_coverage.patient_id <> p_patient_id then
    raise exception 'coverage % is not one of patient %', p_coverage_id, p_patient_id
      using errcode = 'IM005', hint = 'choose a coverage of the patient';
  end if;
  if p_payer_id <> v_coverage.payer_id then
    raise exception 'coverage % is not with payer %', p_coverage_id, p_payer_id
      using errcode = '22023', hint = 'leave the payer out: the coverage names it';
  end if;
  return v_coverage.payer_id;
end
$$;

comment on function billing.check_coverage(uuid, uuid, uuid) is 'about=The payer of a coverage of the patient, or the payer given when there is no coverage. IM005 not a coverage of the patient.';

create function billing.open_account(
  p_patient_id uuid,
  p_encounter_id uuid default null,
  p_clinic_id uuid default null,
  p_payer_class text default null,
  p_payer_id uuid default null,
  p_coverage_id uuid default null,
  p_key text default null
) returns billing.accounts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_encounter_patient_id uuid;
  v_clinic_id uuid := p_clinic_id;
  v_payer_class text := p_payer_class;
  v_claim record;
  v_account billing.accounts;
begin
  if p_encounter_id is not null then
    select e.patient_id, coalesce(p_clinic_id, e.clinic_id), coalesce(p_payer_class, e.payer_class)
    into v_encounter_patient_id, v_clinic_id, v_payer_class
    from clinical.encounters e
    where e.tenant_id = v_tenant and e.id = p_encounter_id and e.deleted_at is null;
    if not found or v_encounter_patient_id <> p_patient_id then
      raise exception 'encounter % is not one of patient %', p_encounter_id, p_patient_id
        using errcode = 'IM005', hint = 'choose an encounter of the patient';
    end if;
    -- two desks that open the account of one stay meet here
    perform pg_advisory_xact_lock(hashtextextended('billing.open_account' || v_tenant || p_encounter_id, 0));
    select a.* into v_account
    from billing.accounts a
    where a.tenant_id = v_tenant and a.encounter_id = p_encounter_id and a.status <> 'closed';
    if found then
      return v_account;
    end if;
  else
    if p_clinic_id is null then
      raise exception 'an account without an encounter needs a clinic'
        using errcode = '22023', hint = 'pass p_clinic_id, the clinic that bills';
    end if;
    perform from patient.patients p where p.tenant_id = v_tenant and p.id = p_patient_id and p.deleted_at is null;
    if not found then
      raise exception 'patient % does not exist', p_patient_id
        using errcode = 'IM005', hint = 'search the patient again';
    end if;
    if p_key is not null then
      v_claim := core.idempotent_begin(
        'billing.open_account', p_key, sha256(convert_to(p_patient_id || ' ' || p_clinic_id, 'UTF8'))
      );
      if v_claim.state = 'done' then
        select a.* into v_account
        from billing.accounts a
        where a.tenant_id = v_tenant and a.id = (v_claim.response ->> 'account_id')::uuid;
        return v_account;
      end if;
    end if;
  end if;

  insert into billing.accounts (
    tenant_id, account_number, patient_id, encounter_id, clinic_id, payer_class, payer_id, coverage_id
  )
  values (
    v_tenant, core.next_default_number('account', '', 'ACC-{YY}-'), p_patient_id, p_encounter_id,
    v_clinic_id, coalesce(v_payer_class, 'self'),
    billing.check_coverage(p_patient_id, p_payer_id, p_coverage_id), p_coverage_id
  )
  returning * into v_account;
  if p_key is not null and p_encounter_id is null then
    perform core.idempotent_finish('billing.open_account', p_key, jsonb_build_object('account_id', v_account.id));
  end if;
  return v_account;
end
$$;

comment on function billing.open_account(uuid, uuid, uuid, text, uuid, uuid, text) is 'about=Opens the account of a stay or visit, or returns the open one that it has. Without an encounter p_clinic_id is needed and p_key makes a repeat harmless. Payer class and clinic are those of the encounter unless given; a coverage names its payer. IM003, IM005 no such patient, encounter or coverage, IM010, IM011.';

create function billing.set_account_status(p_account_id uuid, p_status text, p_reason text default null)
  returns billing.accounts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_account billing.accounts := billing.lock_account(p_account_id);
begin
  if v_account.status = p_status then
    return v_account;
  end if;
  if p_status = 'closed' then
    raise exception 'an account is closed by billing.close_account'
      using errcode = '22023', hint = 'call billing.close_account, which looks for what is open';
  end if;
  if p_reason is not null then
    perform core.set_reason(p_reason);
  end if;
  update billing.accounts a
  set status = p_status
  where a.tenant_id = v_account.tenant_id and a.id = p_account_id
  returning a.* into v_account;
  return v_account;
end
$$;

comment on function billing.set_account_status(uuid, text, text) is 'about=Puts an account on hold, back to active, or into settling (the final bill); reopens a closed one, with a reason. IM001 no such move, IM002 reason missing, IM005.';

create function billing.set_credit_limit(p_account_id uuid, p_credit_limit numeric, p_reason text) returns billing.accounts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_account billing.accounts := billing.lock_account(p_account_id);
begin
  if nullif(btrim(p_reason), '') is null then
    raise exception 'credit for account % needs a reason', p_account_id
      using errcode = 'IM002', hint = 'pass p_reason: why the patient may owe it';
  end if;
  if v_account.credit_limit = p_credit_limit then
    return v_account;
  end if;
  perform core.set_reason(p_reason);
  update billing.accounts a
  set credit_limit = p_credit_limit
  where a.tenant_id = v_account.tenant_id and a.id = p_account_id
  returning a.* into v_account;
  return v_account;
end
$$;

comment on function billing.set_credit_limit(uuid, numeric, text) is 'about=How much the patient may owe and still leave; the reason is audited. IM002 reason missing, IM005.';

create function billing.close_account(p_account_id uuid) returns billing.accounts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_account billing.accounts := billing.lock_account(p_account_id);
  v_obstacle text;
begin
  if v_account.status = 'closed' then
    return v_account;
  end if;
  v_obstacle := case
    when exists (
      select
      from billing.charge_items i
      where i.tenant_id = v_account.tenant_id and i.account_id = p_account_id and i.status in ('planned', 'billable')
    ) then 'has charges that are not billed'
    when exists (
      select
      from billing.invoices i
      where
        i.tenant_id = v_account.tenant_id and i.account_id = p_account_id and i.kind <> 'credit_note'
        and i.status in ('draft', 'issued', 'partially_paid')
    ) then 'has bills that are not paid'
    when v_account.balance <> 0 then 'has a balance'
  end;
  if v_obstacle is not null then
    raise exception 'account % %', p_account_id, v_obstacle
      using errcode = 'IM560', hint = 'bill or cancel its charges; collect, refund or write off what is open';
  end if;
  if v_account.status = 'active' then
    perform billing.set_account_status(p_account_id, 'settling');
  end if;
  update billing.accounts a
  set status = 'closed', closed_at = now()
  where a.tenant_id = v_account.tenant_id and a.id = p_account_id
  returning a.* into v_account;
  return v_account;
end
$$;

comment on function billing.close_account(uuid) is 'about=Closes an account on which everything is billed, paid and at zero. IM001 it is on hold, IM005, IM560 something is open.';
