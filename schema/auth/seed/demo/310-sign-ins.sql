-- Demo: what became of the accounts of both clinics. Everybody is active but 10 (locked after wrong passwords),
-- 11 (suspended), 13 (invited, never came); 9 left the clinic. The administrator granted the roles, the privacy officer
-- those of the administrator.

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    perform core.begin_request(v_tenant, null, 'system', 'HOPERAT', null);
    v_id := left(v_tenant::text, 8);

    insert into auth.user_roles (tenant_id, id, user_id, role_id, granted_by, reason)
    select
      v_tenant, (v_id || '-000f-7000-8000-' || right(u.id::text, 12))::uuid, u.id, r.id,
      (v_id || '-0005-7000-8000-000000000' || case when u.primary_role = 'admin' then '012' else '001' end)::uuid,
      'first day'
    from auth.users u
    join auth.roles r on r.tenant_id is null and r.code = u.primary_role::text
    where
      u.tenant_id = v_tenant
      and not exists (select from auth.user_roles g where g.tenant_id = v_tenant and g.user_id = u.id);

    -- the head nurse was duty manager for a month
    insert into auth.user_roles (tenant_id, id, user_id, role_id, valid_from, valid_to, granted_by, reason)
    select
      v_tenant, (v_id || '-000f-7000-8000-000000000101')::uuid, (v_id || '-0005-7000-8000-000000000008')::uuid, r.id,
      now() - interval '40 days', now() - interval '10 days', (v_id || '-0005-7000-8000-000000000001')::uuid, 'holidays'
    from auth.roles r
    where
      r.tenant_id = v_tenant and r.code = 'duty_manager'
      and not exists (
        select from auth.user_roles g where g.tenant_id = v_tenant and right(g.id::text, 4) = '0101'
      );

    continue when exists (select from auth.sessions s where s.tenant_id = v_tenant);

    update auth.users u
    set status = 'active', password_changed_at = now() - interval '30 days'
    where u.tenant_id = v_tenant and u.username <> 'jobs' and right(u.id::text, 4) <> '0013';
    update auth.users u
    set status = 'active'
    where u.tenant_id = v_tenant and u.username = 'jobs';

    perform core.set_reason('left the clinic');
    update auth.users u set status = 'deactivated' where u.tenant_id = v_tenant and right(u.id::text, 4) = '0009';
    perform core.set_reason('on leave for a year');
    update auth.users u set status = 'suspended' where u.tenant_id = v_tenant and right(u.id::text, 4) = '0011';

    for v_try in 1..5 loop
      perform auth.record_sign_in((v_id || '-0005-7000-8000-000000000010')::uuid, false, '192.0.2.10');
    end loop;
    for v_user in 1..5 loop
      perform auth.record_sign_in((v_id || '-0005-7000-8000-00000000000' || v_user)::uuid, true, '192.0.2.1');
    end loop;

    -- The tokens are hashed texts that no token equals. The receptionist's session was refreshed once; the physician
    -- signed out.
    perform auth.start_session(
      (v_id || '-0005-7000-8000-00000000000' || s.number)::uuid,
      sha256(convert_to('demo session ' || s.number, 'UTF8')), '192.0.2.1', 'Demo browser', s.amr, s.device
    )
    from (
      values
        (1, array['pwd', 'otp'], 'Office'),
        (2, array['pwd'], 'Front desk'),
        (4, array['pwd', 'otp'], 'Consulting room 1'),
        (5, array['pwd'], 'Consulting room 2')
    ) as s (number, amr, device);
    perform auth.rotate_session(
      sha256('demo session 2'), sha256('demo session 2, refreshed'), '192.0.2.1', 'Demo browser'
    );
    perform auth.revoke_sessions((v_id || '-0005-7000-8000-000000000005')::uuid, 'signed_out');

    insert into auth.mfa_factors (tenant_id, id, user_id, kind, secret_enc, public_key, confirmed_at, disabled_at)
    select
      v_tenant, (v_id || '-0010-7000-8000-00000000000' || f.number)::uuid,
      (v_id || '-0005-7000-8000-00000000000' || f.owner)::uuid, f.kind,
      case when f.kind = 'totp' then sha256('no secret') end,
      case when f.kind = 'webauthn' then sha256('no key') end, f.confirmed_at, f.disabled_at
    from (
      values
        (1, 1, 'totp', now() - interval '30 days', null),
        (2, 4, 'webauthn', now() - interval '20 days', null),
        (3, 4, 'totp', now() - interval '30 days', now() - interval '20 days'),
        (4, 5, 'totp', null, null)
    ) as f (number, owner, kind, confirmed_at, disabled_at);

    insert into auth.api_clients (tenant_id, id, client_id, name, owner_user_id, scopes, redirect_uris, jwks_uri)
    values
      (
        v_tenant, (v_id || '-0011-7000-8000-000000000001')::uuid, 'demo-analyser', 'Blood analyser',
        (v_id || '-0005-7000-8000-000000000001')::uuid, '{system/Observation.write}', '{}',
        'https://analyser.example.org/jwks.json'
      ),
      (
        v_tenant, (v_id || '-0011-7000-8000-000000000002')::uuid, 'demo-growth-chart', 'Growth chart app',
        (v_id || '-0005-7000-8000-000000000001')::uuid, '{launch,patient/Patient.read}',
        '{https://growth.example.org/callback}', 'https://growth.example.org/jwks.json'
      );
    perform core.set_reason('under test');
    update auth.api_clients c
    set status = 'suspended'
    where c.tenant_id = v_tenant and c.client_id = 'demo-growth-chart';
  end loop;
end
$$;
