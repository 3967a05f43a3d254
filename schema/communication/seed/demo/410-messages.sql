-- Demo: what both clinics write to their patients and staff: templates, what people agreed to, and messages in every
-- state. The providers are made up and nothing is sent: the demo reports to itself.
-- imhotep:after booking/320-urgent-care

select core.assert_not_production();

-- No secrets: with these texts the demo, and nothing else, is encrypted.
select set_config('app.field_key', 'demo field key, not a secret', true);
select set_config('app.index_key', 'demo index key, not a secret', true);

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_line record;
  v_visit record;
  v_recipient uuid;
  v_asked record;
  v_address text;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000001')::uuid, 'admin', 'HOPERAT', null);
    continue when exists (select from communication.notifications n where n.tenant_id = v_tenant);

    insert into communication.notification_templates (
      tenant_id, id, code, channel, category, subject, body, variables, dlt_template_id, dlt_entity_id,
      whatsapp_template, phi_allowed
    )
    select
      v_tenant, (v_id || '-001d-7000-8000-00000000000' || t.n)::uuid, t.code, t.channel, t.category, t.subject, t.body,
      t.variables, case when v_id = 'da000000' and t.channel = 'sms' then '000000000000000000' || t.n end,
      case when v_id = 'da000000' and t.channel = 'sms' then '0000000000000000000' end,
      case when t.channel = 'whatsapp' then 'demo_visit_reminder' end, t.channel = 'in_app'
    from (
      values
        (1, 'visit.reminder', 'sms', 'transactional', null, 'Visit on {day}.', array['day']),
        (2, 'visit.reminder', 'whatsapp', 'transactional', null, 'Visit on {day}.', array['day']),
        (3, 'visit.reminder', 'email', 'transactional', 'Your visit', 'Visit on {day}.', array['day']),
        (4, 'queue.long', 'in_app', 'service', null, '{count} people wait for {queue}.', array['count', 'queue']),
        (5, 'health.camp', 'email', 'promotional', 'Free check-up', 'Come to us on {day}.', array['day']),
        (6, 'visit.thanks', 'sms', 'service', null, 'How was your visit?', '{}'),
        (7, 'visit.reminder.old', 'sms', 'transactional', null, 'Visit on {day}.', array['day'])
    ) as t (n, code, channel, category, subject, body, variables);
    update communication.notification_templates t
    set status = 'approved'
    where t.tenant_id = v_tenant and t.code <> 'visit.thanks'; -- that one is still a draft
    update communication.notification_templates t
    set status = case t.code when 'visit.reminder.old' then 'retired' else 'active' end
    where t.tenant_id = v_tenant and t.status = 'approved';

    -- one request a line: who is told, over which channel, and what became of it
    for v_line in
      select *
      from (
        values
          (1, 'visit.reminder', 'sms', 'normal', 'delivered'),
          (2, 'visit.reminder', 'sms', 'normal', 'sent'),
          (3, 'visit.reminder', 'sms', 'high', 'failed'),
          (4, 'visit.reminder', 'whatsapp', 'normal', 'read'),
          (5, 'visit.reminder', 'whatsapp', 'normal', 'processing'),
          (6, 'visit.reminder', 'email', 'normal', 'delivered'),
          (7, 'visit.reminder', 'email', 'normal', 'bounced'),
          (8, 'visit.reminder', 'sms', 'low', 'opted out'),
          (9, 'visit.reminder', 'sms', 'normal', 'waits for the evening'),
          (10, 'health.camp', 'email', 'low', 'never agreed'),
          (11, 'queue.long', 'in_app', 'high', 'read'),
          (12, 'visit.reminder', 'sms', 'normal', 'taken back'),
          (13, 'visit.reminder', 'email', 'normal', 'given up')
      ) as l (number, template, channel, priority, outcome)
      order by l.number
    loop
      select u.appointment_id, u.patient_id into strict v_visit
      from scheduling.upcoming_appointments u
      where u.tenant_id = v_tenant
      order by u.appointment_number
      offset v_line.number - 1
      limit 1;
      v_recipient := case v_line.channel
        when 'in_app' then (v_id || '-0005-7000-8000-000000000008')::uuid
        else v_visit.patient_id
      end;

      if v_line.outcome = 'opted out' then
        perform communication.set_contact_preference('patient', v_recipient, 'sms', 'transactional', false);
      elsif v_line.outcome = 'waits for the evening' then
        perform communication.set_contact_preference(
          'patient', v_recipient, 'sms', 'transactional', true, p_quiet_hours => '{[00:00,23:59)}', p_locale => 'en'
        );
      elsif v_line.outcome = 'read' then
        perform communication.set_contact_preference(
          case v_line.channel when 'in_app' then 'user' else 'patient' end, v_recipient, v_line.channel,
          case v_line.channel when 'in_app' then 'service' else 'transactional' end, true
        );
      end if;

      select * into v_asked
      from communication.queue_notification(
        v_line.template, v_line.channel, case v_line.channel when 'in_app' then 'user' else 'patient' end, v_recipient,
        v_line.template, core.encrypt_text('{"day": "tomorrow", "time": "in the morning"}'),
        'demo-message-' || v_line.number, v_line.priority, p_subject_type => 'appointment',
        p_subject_id => v_visit.appointment_id,
        p_id => (v_id || '-001e-7000-8000-' || lpad(v_line.number::text, 12, '0'))::uuid
      );
      if v_line.outcome = 'taken back' then
        perform communication.cancel_notification(v_asked.notification_id);
      end if;
      v_address := case v_line.channel
        when 'email' then 'patient' || v_line.number || '@example.org'
        else case v_id when 'da000000' then '+9155502' else '+24955502' end || lpad(v_line.number::text, 5, '0')
      end;
      continue when v_line.outcome in ('opted out', 'waits for the evening', 'never agreed', 'taken back');

      case v_line.channel
        when 'sms' then
          insert into communication.sms_messages (
            tenant_id, id, notification_id, to_enc, to_bidx, body_enc, provider, dlt_template_id
          ) values (
            v_tenant, v_asked.notification_id, v_asked.notification_id, core.encrypt_text(v_address),
            core.blind_index(v_address), core.encrypt_text('Your visit is tomorrow.'), 'demo-sms', '0000000000000000001'
          );
        when 'whatsapp' then
          insert into communication.whatsapp_messages (
            tenant_id, id, notification_id, direction, wa_id_enc, wa_id_bidx, template_name
          ) values (
            v_tenant, v_asked.notification_id, v_asked.notification_id, 'out', core.encrypt_text(v_address),
            core.blind_index(v_address), 'demo_visit_reminder'
          );
        when 'email' then
          insert into communication.email_messages (
            tenant_id, id, notification_id, to_enc, to_bidx, subject, body_enc, provider
          ) values (
            v_tenant, v_asked.notification_id, v_asked.notification_id, core.encrypt_text(v_address),
            core.blind_index(v_address), 'Your visit', core.encrypt_text('Your visit is tomorrow.'), 'demo-mail'
          );
        else
          null; -- shown in the application
      end case;
    end loop;

    -- the dispatcher takes what is due, hands it to the providers and reports; number 5 is still in its hands
    perform communication.claim_notifications();
    perform communication.finish_notification(
      n.id,
      case when right(n.id::text, 2) in ('03', '07', '13') then 'failed' else 'sent' end
    )
    from communication.notifications n
    where n.tenant_id = v_tenant and n.status = 'processing' and right(n.id::text, 2) <> '05';
    perform communication.finish_notification((v_id || '-001e-7000-8000-000000000004')::uuid, 'read');
    perform communication.finish_notification((v_id || '-001e-7000-8000-000000000011')::uuid, 'read');
    perform communication.finish_notification((v_id || '-001e-7000-8000-000000000013')::uuid, 'dead');

    update communication.sms_messages m set status = 'sending' where m.tenant_id = v_tenant;
    update communication.sms_messages m
    set status = 'sent', provider_ref = 'sms-' || right(m.id::text, 2), sent_at = now(), attempts = 1, cost = 0.15
    where m.tenant_id = v_tenant;
    update communication.whatsapp_messages m set status = 'sending' where m.tenant_id = v_tenant;
    update communication.whatsapp_messages m
    set status = 'sent', provider_ref = 'wa-' || right(m.id::text, 2), sent_at = now(), attempts = 1
    where m.tenant_id = v_tenant and right(m.id::text, 2) = '04';
    update communication.email_messages m set status = 'sending' where m.tenant_id = v_tenant;
    update communication.email_messages m
    set status = 'sent', provider_ref = 'mail-' || right(m.id::text, 2), sent_at = now(), attempts = 1
    where m.tenant_id = v_tenant and right(m.id::text, 2) <> '13';
    update communication.email_messages m
    set status = 'failed', error_code = 'mailbox_full', attempts = 3
    where m.tenant_id = v_tenant and right(m.id::text, 2) = '13';
    update communication.email_messages m set status = 'dead' where m.tenant_id = v_tenant and m.status = 'failed';

    -- what the providers told later
    perform communication.record_delivery('sms', 'sms-01', 'delivered', now(), p_provider => 'demo-sms');
    perform communication.record_delivery('sms', 'sms-03', 'failed', now(), 'no_such_number', 'demo-sms');
    perform communication.record_delivery('whatsapp', 'wa-04', 'delivered', now());
    perform communication.record_delivery('whatsapp', 'wa-04', 'read', now());
    perform communication.record_delivery('email', 'mail-06', 'delivered', now(), p_provider => 'demo-mail');
    perform communication.record_delivery('email', 'mail-07', 'bounced', now(), 'unknown_user', 'demo-mail');

    -- and an answer came in, which opens a session of 24 hours
    insert into communication.whatsapp_messages (
      tenant_id, id, direction, wa_id_enc, wa_id_bidx, body_enc, provider_ref, conversation_ref,
      session_expires_at, status
    )
    select
      v_tenant, (v_id || '-001f-7000-8000-000000000001')::uuid, 'in', m.wa_id_enc, m.wa_id_bidx,
      core.encrypt_text('Thank you, I will come.'), 'wa-in-1', 'demo-conversation-1',
      now() + interval '24 hours', 'received'
    from communication.whatsapp_messages m
    where m.tenant_id = v_tenant and m.provider_ref = 'wa-04';
  end loop;
end
$$;
