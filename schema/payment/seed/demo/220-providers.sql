-- Demo: the rails that money comes in by, and a saved instrument.

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
begin
  perform set_config('app.field_key', 'demo field key, not a secret', true);
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000011')::uuid, 'billing', 'TREAT', null);
    continue when exists (select from payment.payment_providers p where p.tenant_id = v_tenant);

    insert into payment.payment_providers (
      tenant_id, id, code, kind, display, secret_ref, webhook_secret_ref, supports_refund, currencies, priority
    )
    values
      (
        v_tenant, (v_id || '-0a00-7000-8000-000000000001')::uuid, 'demo-upi', 'upi', 'UPI', 'vault://payments/demo-upi',
        'vault://payments/demo-upi-webhook', true, '{INR}', 1
      ),
      (
        v_tenant, (v_id || '-0a00-7000-8000-000000000002')::uuid, 'counter-terminal', 'card', 'Card terminal, counter 1',
        'vault://payments/counter-terminal', null, false, '{INR}', 2
      );
    insert into payment.payment_methods (
      tenant_id, id, patient_id, provider_id, token, brand, last4, exp_month, exp_year, upi_vpa_enc, consent_at, is_default
    )
    select
      v_tenant, (v_id || '-0a01-7000-8000-' || lpad(m.n::text, 12, '0'))::uuid, p.id,
      (v_id || '-0a00-7000-8000-' || lpad(m.provider::text, 12, '0'))::uuid, m.token, m.brand, m.last4, m.month, m.year,
      case when m.last4 is null then core.encrypt_text('demo@upi') end, now() - interval '30 days', m.n = 1
    from (
      values
        (1, 1, 'tok_demo_upi', null, null, null, null),
        (2, 2, 'tok_demo_card', 'RuPay', '0007', 12, 2034)
    ) as m (n, provider, token, brand, last4, month, year)
    join patient.patients p
      on p.tenant_id = v_tenant and p.mrn = case v_id when 'da000000' then 'ASHA-000015' else 'NILE-000015' end;
  end loop;
end
$$;
