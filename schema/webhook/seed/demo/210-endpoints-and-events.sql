-- Demo: the partners of both clinics and what went to and from them: an endpoint that works, one that is gone, one that
-- is paused, a payment provider that calls in; events in every state, with the log of each attempt.

select core.assert_not_production();

-- No secrets: with these texts the demo, and nothing else, is encrypted.
select set_config('app.field_key', 'demo field key, not a secret', true);

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_line record;
  v_event webhook.webhook_events;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000001')::uuid, 'admin', 'HOPERAT', null);
    continue when exists (select from webhook.integration_webhooks w where w.tenant_id = v_tenant);

    -- secrets stay in a vault; the database knows where
    insert into webhook.integration_webhooks (tenant_id, id, code, direction, kind, url, event_types, secret_ref)
    select
      v_tenant, (v_id || '-0020-7000-8000-00000000000' || w.n)::uuid, w.code, w.direction, w.kind, w.url, w.event_types,
      'vault://demo/' || w.code
    from (
      values
        (1, 'reminders', 'out', 'generic', 'https://reminders.example.org/hook',
         array['appointment.booked.v1', 'appointment.cancelled.v1']),
        (2, 'old-laboratory', 'out', 'lab_partner', 'https://gone.example.org/hook', '{}'),
        (3, 'insurer', 'out', 'generic', 'https://insurer.example.org/hook', '{}'),
        (4, 'payments', 'in', 'payment', null, array['payment.captured'])
    ) as w (n, code, direction, kind, url, event_types);
    update webhook.integration_webhooks w set status = 'paused' where w.tenant_id = v_tenant and w.code = 'insurer';

    -- one event a line; the worker's outcome, where it came to one
    for v_line in
      select *
      from (
        values
          (1, 'reminders', 'appointment.booked.v1', null::boolean, 'success', 200, null),
          (2, 'reminders', 'appointment.cancelled.v1', null, 'success', 204, null),
          (3, 'reminders', 'appointment.booked.v1', null, 'retryable', 503, 'service unavailable'),
          (4, 'reminders', 'appointment.booked.v1', null, 'timeout', null, 'no answer within 10 s'),
          (5, 'reminders', 'appointment.booked.v1', null, 'permanent', 400, 'bad request'),
          (6, 'reminders', 'appointment.booked.v1', null, 'is being sent', null, null),
          (7, 'old-laboratory', 'order.placed.v1', null, 'permanent', 410, 'gone'),
          (8, 'insurer', 'appointment.booked.v1', null, null, null, null),
          (9, 'payments', 'payment.captured', true, 'success', null, null),
          (10, 'payments', 'payment.captured', false, null, null, 'wrong signature'),
          (11, 'reminders', 'appointment.booked.v1', null, null, null, null)
      ) as l (number, webhook, type, signature_ok, outcome, response_status, error)
      order by l.number
    loop
      perform webhook.enqueue_event(
        v_line.webhook, v_line.type, 'demo-event-' || v_line.number,
        core.encrypt_text(format('{"id": "%s-0019-7000-8000-00000000000%s"}', v_id, v_line.number)),
        sha256(convert_to('demo event ' || v_line.number, 'UTF8')), p_signature_ok => v_line.signature_ok,
        p_id => (v_id || '-0021-7000-8000-' || lpad(v_line.number::text, 12, '0'))::uuid
      );
      continue when v_line.outcome is null;
      select * into strict v_event from webhook.claim_next_event('demo-worker', interval '1 hour');
      continue when v_line.outcome = 'is being sent';
      perform webhook.mark_event_result(
        v_event.id, v_event.lock_token, v_line.outcome, v_line.response_status, v_line.error, 40 + v_line.number * 10,
        p_request_headers => '{"content-type": "application/json", "webhook-id": "demo"}'
      );
    end loop;
  end loop;
end
$$;
