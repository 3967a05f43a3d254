-- Demo: the first seal over the logs of both clinics. It covers what was committed before any transaction that still
-- runs on the server, so on a busy one it may cover less than the whole demo, or nothing.
-- imhotep:after *

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    perform core.begin_request(v_tenant, null, 'system', 'HOPERAT', null);
    continue when exists (select from audit.audit_chain_anchors a where a.tenant_id = v_tenant);
    perform audit.seal('audit_logs');
    perform audit.seal('phi_access_logs');
  end loop;
end
$$;
