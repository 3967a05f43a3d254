-- The module belongs to payment_gateway_owner. What it calls and reads of billing is all that a payment service of its own
-- would ask the billing service for.

select core.hand_over('payment', 'payment_gateway');

grant usage on schema billing, scheduling to payment_gateway_owner;
grant select (tenant_id, id, clinic_id, patient_id, status) on billing.accounts to payment_gateway_owner;
grant select (tenant_id, id, account_id, payer_id) on billing.invoices to payment_gateway_owner;
grant select (tenant_id, id) on scheduling.appointments to payment_gateway_owner;
grant select (tenant_id, id, invoice_id, payment_id, amount, reverses_id) on billing.payment_allocations to payment_gateway_owner;
grant execute on function
  billing.add_to_totals(uuid, numeric, numeric, numeric, numeric),
  billing.lock_accounts_of(uuid, uuid[]),
  billing.open_of(uuid),
  billing.post_entries(text, uuid, uuid, uuid, text, jsonb, uuid),
  billing.allocate(text, uuid, numeric, text, uuid, numeric, text),
  billing.reverse_allocation(uuid, text),
  billing.currency_of_tenant()
to payment_gateway_owner;

-- Operations. The helpers that lock, post and count are nobody else's.
grant execute on function
  payment.receive(text, text, numeric, jsonb, uuid, uuid, uuid, uuid, text, text, date, text),
  payment.settle_cheque(uuid, boolean, text),
  payment.void(uuid, text),
  payment.allocate(uuid, uuid, numeric, text),
  payment.reverse_allocation(uuid, text),
  payment.create_intent(text, text, numeric, text, jsonb, uuid, uuid, uuid, uuid, text, interval, text),
  payment.begin_attempt(uuid, uuid, boolean),
  payment.cancel_intent(uuid),
  payment.expire_intents(int),
  payment.record_provider_result(uuid, text, text, uuid, numeric, text, jsonb, text, timestamptz),
  payment.request_refund(text, uuid, numeric, text),
  payment.approve_refund(uuid),
  payment.reject_refund(uuid, text),
  payment.record_refund_result(uuid, text, text, text),
  payment.import_settlement(uuid, text, date, jsonb, text, tstzrange),
  payment.reconcile_settlement(uuid),
  payment.open_dispute(uuid, text, text, numeric, timestamptz),
  payment.submit_evidence(uuid, uuid),
  payment.decide_dispute(uuid, text, text)
to payment_gateway_app;
