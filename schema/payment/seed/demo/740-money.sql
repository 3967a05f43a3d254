-- Demo: receipts, a payment through a provider, an advance that is partly refunded, a payout and a chargeback.
-- imhotep:after insurance/730-claims

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_upi uuid;
  v_accounts jsonb; -- last two digits of the encounter (00 for the sale) to account
  v_bill record;
  v_intent payment.payment_intents;
  v_payment payment.payments;
  v_refund payment.refunds;
  v_settlement payment.settlements;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000011')::uuid, 'billing', 'TREAT', null);
    continue when exists (select from payment.payments p where p.tenant_id = v_tenant);
    v_upi := (v_id || '-0a00-7000-8000-000000000001')::uuid;
    select jsonb_object_agg(coalesce(right(a.encounter_id::text, 2), '00'), a.id) into v_accounts
    from billing.accounts a
    where a.tenant_id = v_tenant;

    -- cash for the visit; everything is paid, so the account is closed
    select i.id, i.total - i.allocated as open into v_bill
    from billing.invoices i
    where i.tenant_id = v_tenant and i.account_id = (v_accounts ->> '11')::uuid and i.kind <> 'credit_note';
    perform payment.receive(
      'demo-cash-11', 'cash', v_bill.open,
      jsonb_build_array(jsonb_build_object('purpose', 'invoice', 'invoice_id', v_bill.id, 'amount', v_bill.open)),
      (v_accounts ->> '11')::uuid
    );
    perform billing.close_account((v_accounts ->> '11')::uuid);

    -- UPI for the sale: declined, tried again, taken
    select i.id, i.total as open into v_bill
    from billing.invoices i
    where i.tenant_id = v_tenant and i.account_id = (v_accounts ->> '00')::uuid;
    v_intent := payment.create_intent(
      'demo-intent-00', 'pharmacy', v_bill.open, 'qr',
      jsonb_build_array(jsonb_build_object('purpose', 'invoice', 'invoice_id', v_bill.id, 'amount', v_bill.open)),
      (v_accounts ->> '00')::uuid, p_provider_id => v_upi
    );
    perform payment.begin_attempt(v_intent.id);
    perform payment.record_provider_result(v_upi, 'demo-upi-1', 'declined', v_intent.id, p_error_code => 'U30');
    perform payment.begin_attempt(v_intent.id);
    perform payment.record_provider_result(
      v_upi, 'demo-upi-2', 'captured', v_intent.id, v_bill.open, p_response => '{"status": "SUCCESS", "vpa": "x@upi"}'
    );
    -- a page that nobody came back from
    perform payment.create_intent(
      'demo-intent-13', 'appointment', 250, 'portal', null, (v_accounts ->> '13')::uuid, p_provider_id => v_upi
    );

    -- part of the emergency bill by card
    select i.id into v_bill
    from billing.invoices i
    where i.tenant_id = v_tenant and i.account_id = (v_accounts ->> '14')::uuid;
    perform payment.receive(
      'demo-card-14', 'card', 1000,
      jsonb_build_array(jsonb_build_object('purpose', 'invoice', 'invoice_id', v_bill.id, 'amount', 1000)),
      (v_accounts ->> '14')::uuid, p_provider_id => (v_id || '-0a00-7000-8000-000000000002')::uuid,
      p_provider_ref => 'demo-slip-1'
    );

    -- an advance for the stay by UPI; some of it goes back: asked for by one, approved by another
    v_payment := payment.receive(
      'demo-advance-15', 'upi', 10000, null, (v_accounts ->> '15')::uuid, p_provider_id => v_upi,
      p_provider_ref => 'demo-upi-3'
    );
    v_refund := payment.request_refund('demo-refund-15', v_payment.id, 2000, 'room changed to a cheaper one');
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000012')::uuid, 'admin', 'TREAT', null);
    perform payment.approve_refund(v_refund.id);
    perform payment.record_refund_result(v_refund.id, 'completed', 'demo-refund-ref-1');
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000011')::uuid, 'billing', 'TREAT', null);
    -- a cheque that the bank has not paid yet
    perform payment.receive(
      'demo-cheque-15', 'cheque', 5000, null, (v_accounts ->> '15')::uuid, p_cheque_no => '000123', p_cheque_on => current_date
    );

    -- what the provider paid out, and a chargeback of the terminal
    v_settlement := payment.import_settlement(
      v_upi, 'demo-payout-1', current_date,
      jsonb_build_array(
        jsonb_build_object(
          'provider_ref', 'demo-upi-2',
          'gross', (select p.amount from payment.payments p where p.tenant_id = v_tenant and p.provider_ref = 'demo-upi-2'),
          'fee', 1, 'tax', 0.18
        ),
        jsonb_build_object('provider_ref', 'demo-upi-3', 'gross', 10000, 'fee', 50, 'tax', 9),
        jsonb_build_object('provider_ref', 'demo-refund-ref-1', 'gross', -2000)
      ),
      'DEMOUTR0000001'
    );
    perform payment.reconcile_settlement(v_settlement.id);
    perform payment.open_dispute(p.id, 'demo-dispute-1', '13.1', 400, now() + interval '7 days')
    from payment.payments p
    where p.tenant_id = v_tenant and p.provider_ref = 'demo-slip-1';
    -- what is checked at commit is checked now, while the tenant is this one
    set constraints all immediate;
    set constraints all deferred;
  end loop;
end
$$;
