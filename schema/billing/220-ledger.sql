-- One way into the ledger: a transaction with all its lines.

create function billing.post_entries(
  p_ref_type text,
  p_ref_id uuid,
  p_clinic_id uuid,
  p_patient_id uuid,
  p_currency text,
  p_lines jsonb,
  p_reverses_txn_id uuid default null
) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_txn_id uuid := core.uuid_v7();
  v_line record;
  v_line_no smallint := 0;
begin
  for v_line in
    select
      l.value ->> 'account' as account,
      (l.value ->> 'debit')::numeric as debit,
      coalesce((l.value ->> 'clinic_id')::uuid, p_clinic_id) as clinic_id
    from jsonb_array_elements(p_lines) with ordinality as l
    order by l.ordinality
  loop
    continue when v_line.debit = 0;
    v_line_no := v_line_no + 1;
    insert into billing.ledger_entries (
      tenant_id, txn_id, line_no, account_code, direction, amount, currency, ref_type, ref_id, patient_id, clinic_id,
      reverses_txn_id
    )
    values (
      v_tenant, v_txn_id, v_line_no, v_line.account, case when v_line.debit > 0 then 'debit' else 'credit' end,
      abs(v_line.debit), p_currency, p_ref_type, p_ref_id, p_patient_id, v_line.clinic_id, p_reverses_txn_id
    );
  end loop;
  return v_txn_id;
end
$$;

comment on function billing.post_entries(text, uuid, uuid, uuid, text, jsonb, uuid) is 'about=For operations of this module, payment and insurance: posts one ledger transaction for a row. p_lines is [{"account": code, "debit": amount, "clinic_id": other clinic}], where a debit below zero is a credit and zero is left out; the debits must add up to zero (IM553 at commit). A row is posted once per ref_type (23505).';
