-- Giving up what is open of a bill: two people, and a loss in the ledger.

create function billing.write_off(p_invoice_id uuid, p_reason text, p_approved_by uuid) returns billing.invoices
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_invoice billing.invoices;
  v_amount numeric;
begin
  if nullif(btrim(p_reason), '') is null or p_approved_by is null then
    raise exception 'writing invoice % off needs a reason and an approver', p_invoice_id
      using errcode = 'IM002', hint = 'pass p_reason and p_approved_by';
  end if;
  if p_approved_by = core.current_user_id() then
    raise exception 'nobody approves their own write-off of invoice %', p_invoice_id
      using errcode = 'IM006', hint = 'let a second user approve it';
  end if;
  select i.* into v_invoice from billing.invoices i where i.tenant_id = v_tenant and i.id = p_invoice_id;
  if not found then
    raise exception 'invoice % does not exist', p_invoice_id
      using errcode = 'IM005', hint = 'choose an invoice of the tenant';
  end if;
  perform billing.lock_account(v_invoice.account_id);
  v_invoice := billing.lock_invoice(p_invoice_id);
  if v_invoice.status = 'written_off' then
    return v_invoice;
  end if;
  if v_invoice.kind = 'credit_note' or v_invoice.status not in ('issued', 'partially_paid') then
    raise exception 'invoice % has nothing to write off: % %', p_invoice_id, v_invoice.kind, v_invoice.status
      using errcode = 'IM001', hint = 'choose an issued bill that is open';
  end if;
  v_amount := v_invoice.total - v_invoice.allocated - v_invoice.written_off;
  perform core.set_reason(p_reason);
  update billing.invoices i
  set written_off = i.written_off + v_amount, write_off_reason = p_reason, write_off_approved_by = p_approved_by
  where i.tenant_id = v_tenant and i.id = p_invoice_id
  returning i.* into v_invoice;
  -- what a payer owed was never part of the patient's balance
  if v_invoice.payer_id is null then
    perform billing.add_to_totals(v_invoice.account_id, p_written_off => v_amount);
  end if;
  perform billing.post_entries(
    'write_off', core.uuid_v7(), v_invoice.clinic_id, v_invoice.patient_id, v_invoice.currency,
    jsonb_build_array(
      jsonb_build_object('account', 'write_off', 'debit', v_amount),
      jsonb_build_object('account', billing.receivable_of(v_invoice), 'debit', -v_amount)
    )
  );
  return v_invoice;
end
$$;

comment on function billing.write_off(uuid, text, uuid) is 'about=Gives up what is open of an issued bill, with a reason and the approval of another user. IM001 nothing open, IM002 reason or approver missing, IM005, IM006 own approval, IM558 account closed.';
