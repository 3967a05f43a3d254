-- The service of accounts keeps the ledger and the totals: it posts when it hears these events, each once by its id.
create function payment.post(p_payment payment.payments, p_ref_type text, p_ref_id uuid, p_from text, p_to text, p_amount numeric)
  returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform core.enqueue(
    'payment', p_payment.id, 'ledger.post_requested.v1',
    pg_catalog.jsonb_build_object(
      'ref_type', p_ref_type, 'ref_id', p_ref_id, 'clinic_id', p_payment.clinic_id, 'patient_id', p_payment.patient_id,
      'currency', p_payment.currency, 'from', p_from, 'to', p_to, 'amount', p_amount
    )
  );
end
$$;

create function payment.add_to_account(p_payment payment.payments, p_amount numeric) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_payment.account_id is not null then
    perform core.enqueue(
      'payment', p_payment.id, 'account.paid.v1',
      pg_catalog.jsonb_build_object('account_id', p_payment.account_id, 'payment_id', p_payment.id, 'amount', p_amount)
    );
  end if;
end
$$;
