-- Demo: an analyser that sends results, a referring hospital that sends and gets messages, a record system that is
-- reachable and one that is not. Messages in most states, with their answers.

select core.assert_not_production();

-- No secrets: with these texts the demo, and nothing else, is encrypted.
select set_config('app.field_key', 'demo field key, not a secret', true);

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_patient uuid;
  v_line record;
  v_endpoint uuid;
  v_message interop.hl7_messages;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000001')::uuid, 'admin', 'HOPERAT', null);
    continue when exists (select from interop.endpoints e where e.tenant_id = v_tenant);
    select p.id into v_patient
    from patient.patients p
    where p.tenant_id = v_tenant and right(p.mrn, 2) = '11'
    order by p.mrn
    limit 1;

    insert into interop.endpoints (
      tenant_id, id, code, kind, direction, address, sending_app, receiving_app, secret_ref, ack_mode, message_types
    )
    select
      v_tenant, (v_id || '-0e01-7000-8000-00000000000' || e.n)::uuid, e.code, e.kind, e.direction, e.address, e.sender,
      'IMHOTEP', 'vault://demo/' || e.code, e.ack_mode, e.types
    from (
      values
        (1, 'ANALYSER', 'hl7v2_mllp', 'in', 'analyser.example.org:6661', 'ANALYSER', 'original', array['ORU']),
        (2, 'REFERRALS', 'hl7v2_http', 'both', 'https://referrals.example.org/hl7', 'DISTRICT', 'enhanced', array['ADT', 'ORU^R01']),
        (3, 'ARCHIVE', 'sftp', 'out', 'archive.example.org:22', null, 'original', '{}')
    ) as e (n, code, kind, direction, address, sender, ack_mode, types);
    perform interop.activate_endpoint((v_id || '-0e01-7000-8000-000000000001')::uuid);
    perform interop.activate_endpoint((v_id || '-0e01-7000-8000-000000000002')::uuid);
    perform interop.activate_endpoint((v_id || '-0e01-7000-8000-000000000003')::uuid);
    perform interop.pause_endpoint((v_id || '-0e01-7000-8000-000000000003')::uuid, 'the archive moves');

    -- rules of the tenant: one in use, written by one person and activated by another, and the next version of it
    insert into interop.mapping_rules (
      tenant_id, id, endpoint_id, message_type, trigger_event, target_table, version, mapping, code_map, test_messages
    )
    select
      v_tenant, (v_id || '-0e02-7000-8000-00000000000' || v.n)::uuid, (v_id || v.endpoint)::uuid, t.message_type,
      t.trigger_event, t.target_table, v.version, t.mapping, t.code_map, t.test_messages
    from (
      values
        (1, '-0e01-7000-8000-000000000001', '00000000-0e00-7000-8000-000000000002'::uuid, 1),
        (2, '-0e01-7000-8000-000000000001', '00000000-0e00-7000-8000-000000000002'::uuid, 2),
        (3, '-0e01-7000-8000-000000000002', '00000000-0e00-7000-8000-000000000001'::uuid, 1)
    ) as v (n, endpoint, template, version)
    join interop.mapping_rules t on t.tenant_id is null and t.id = v.template;
    update interop.mapping_rules r
    set created_by = (v_id || '-0005-7000-8000-000000000013')::uuid
    where r.tenant_id = v_tenant;
    perform interop.activate_mapping((v_id || '-0e02-7000-8000-000000000001')::uuid);
    perform interop.activate_mapping((v_id || '-0e02-7000-8000-000000000003')::uuid);

    for v_line in
      select *
      from (
        values
          -- number, endpoint, direction, type, event, what happened
          (1, 1, 'in', 'ORU', 'R01', 'applied'),
          (2, 1, 'in', 'ORU', 'R01', 'applied'),
          (3, 1, 'in', 'ORU', 'R01', 'failed'),
          (4, 1, 'in', 'QRY', 'A19', 'rejected'),
          (5, 2, 'in', 'ADT', 'A04', 'applied'),
          (6, 2, 'in', 'ADT', 'A08', 'ignored'),
          (7, 2, 'in', 'ADT', 'A40', 'dead, and tried again'),
          (8, 2, 'in', 'ADT', 'A03', 'parsed'),
          (9, 2, 'in', 'ADT', 'A01', 'received'),
          (10, 2, 'out', 'ADT', 'A01', 'acked'),
          (11, 2, 'out', 'ORU', 'R01', 'sent'),
          (12, 2, 'out', 'ADT', 'A03', 'queued')
      ) as m (n, endpoint, direction, type, event, what)
      order by m.n
    loop
      v_endpoint := (v_id || '-0e01-7000-8000-00000000000' || v_line.endpoint)::uuid;
      if v_line.direction = 'out' then
        v_message := interop.queue_message(
          v_endpoint, 'OUT-' || v_line.n, v_line.type, v_line.event,
          core.encrypt_text('MSH|^~\&|IMHOTEP||DISTRICT||||' || v_line.type || '^' || v_line.event || '|OUT-' || v_line.n),
          sha256(convert_to('OUT-' || v_line.n, 'UTF8')), v_patient, 'patient.patients', v_patient
        );
        if v_line.what <> 'queued' then
          perform interop.mark_sent(v_message.id);
        end if;
        if v_line.what = 'acked' then
          perform interop.record_ack(v_message.id, 'AA');
        end if;
        continue;
      end if;
      v_message := interop.record_message(
        v_endpoint, 'MSG-' || v_line.n, v_line.type, v_line.event,
        core.encrypt_text('MSH|^~\&|SENDER||IMHOTEP||||' || v_line.type || '^' || v_line.event || '|MSG-' || v_line.n),
        sha256(convert_to('MSG-' || v_line.n, 'UTF8')), now() - make_interval(mins => 60 - v_line.n)
      );
      continue when v_line.what in ('received', 'rejected');
      perform interop.parse_message(v_message.id, core.encrypt_text('{"MSH": {}, "PID": {}}'), v_patient);
      case v_line.what
        when 'applied' then
          perform interop.apply_message(v_message.id, 'patient.patients', v_patient, v_patient);
        when 'ignored' then
          perform interop.ignore_message(v_message.id, 'nothing that we keep has changed');
        when 'failed' then
          perform interop.fail_message(v_message.id, 'OBX-3: unknown test code', '[{"location": "OBX-3", "code": "103"}]');
        when 'dead, and tried again' then
          perform interop.fail_message(v_message.id, 'MRG-1: no such patient', null, true);
          perform interop.replay_message(v_message.id);
        else null;
      end case;
    end loop;

    insert into interop.emr_connections (tenant_id, id, name, emr_system, base_url, auth, client_id, secret_ref, scopes)
    select
      v_tenant, (v_id || '-0e03-7000-8000-00000000000' || c.n)::uuid, c.name, c.system::core.emr_system, c.url,
      'smart_backend', 'imhotep-demo', 'vault://demo/' || c.n, array['system/Patient.read', 'system/Observation.read']
    from (
      values
        (1, 'District hospital', 'GENERIC_FHIR', 'https://fhir.district.example.org/r4'),
        (2, 'Partner network', 'EPIC', 'https://epic.example.org/api/FHIR/R4'),
        (3, 'Old partner', 'CERNER', 'https://cerner.example.org/r4')
    ) as c (n, name, system, url);
    perform interop.begin_emr_call((v_id || '-0e03-7000-8000-000000000001')::uuid);
    perform interop.finish_emr_call((v_id || '-0e03-7000-8000-000000000001')::uuid, true, null, sha256('demo'));
    perform interop.save_poll_cursor((v_id || '-0e03-7000-8000-000000000001')::uuid, 'Observation', 'page-17');
    perform interop.begin_emr_call((v_id || '-0e03-7000-8000-000000000002')::uuid);
    perform interop.finish_emr_call((v_id || '-0e03-7000-8000-000000000002')::uuid, true);
    for i in 1..5 loop
      perform interop.finish_emr_call((v_id || '-0e03-7000-8000-000000000002')::uuid, false, 'timeout after 10 s');
    end loop;
  end loop;
end
$$;
