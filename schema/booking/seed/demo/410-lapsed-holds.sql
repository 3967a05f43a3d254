-- Demo: the job that ends holds whose time is over. One of each clinic lapsed while the seeds before this ran.

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
    continue when exists (select from booking.booking_requests r where r.tenant_id = v_tenant and r.status = 'expired');
    perform booking.expire_holds();
  end loop;
end
$$;
