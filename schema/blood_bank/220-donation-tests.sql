-- Tests of a donation: entered by one person, verified by another.

create function blood_bank.enter_test(
  p_donation_id uuid,
  p_test text,
  p_method text,
  p_kit_lot text,
  p_kit_expiry date,
  p_tested_by uuid,
  p_result text default null,
  p_group_result text default null,
  p_repeat_no int default 1,
  p_tested_at timestamptz default now(),
  p_device_id uuid default null
) returns blood_bank.donation_tests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_donation blood_bank.donations := blood_bank.lock_donation(p_donation_id);
  v_test blood_bank.donation_tests;
begin
  select t.* into v_test
  from blood_bank.donation_tests t
  where
    t.tenant_id = v_donation.tenant_id and t.donation_id = p_donation_id and t.test = p_test
    and t.repeat_no = p_repeat_no;
  if found then
    if (v_test.result, v_test.group_result) is not distinct from (p_result, p_group_result) then
      return v_test;
    end if;
    raise exception 'test % number % of donation % has another result', p_test, p_repeat_no, p_donation_id
      using errcode = 'IM011', hint = 'declare that one invalid, and enter this one with the next p_repeat_no';
  end if;
  if v_donation.status not in ('collected', 'quarantined') then
    raise exception 'donation % is % and takes no test results', p_donation_id, v_donation.status
      using errcode = 'IM001', hint = 'results are entered between the collection and the release';
  end if;
  insert into blood_bank.donation_tests as t (
    tenant_id, donation_id, test, method, kit_lot, kit_expiry, result, group_result, tested_at, tested_by, repeat_no,
    device_id
  )
  values (
    v_donation.tenant_id, p_donation_id, p_test, p_method, p_kit_lot, p_kit_expiry, p_result, p_group_result,
    p_tested_at, p_tested_by, p_repeat_no, p_device_id
  )
  returning t.* into v_test;
  return v_test;
end
$$;

comment on function blood_bank.enter_test(uuid, text, text, text, date, uuid, text, text, int, timestamptz, uuid) is 'about=Enters a result: p_result of infections and screens, p_group_result of ABO and RhD. Donation, test and p_repeat_no are one test: entered again with the same result, the same row. IM001 the donation is not waiting for tests, IM005 no such donation, IM011 it has another result.';

create function blood_bank.lock_test(p_test_id uuid) returns blood_bank.donation_tests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_test blood_bank.donation_tests;
begin
  select t.* into v_test
  from blood_bank.donation_tests t
  where t.tenant_id = v_tenant and t.id = p_test_id;
  if not found then
    raise exception 'test % does not exist', p_test_id
      using errcode = 'IM005', hint = 'choose a donation test of the tenant';
  end if;
  perform blood_bank.lock_donation(v_test.donation_id); -- a release reads all tests under this lock
  select t.* into v_test
  from blood_bank.donation_tests t
  where t.tenant_id = v_tenant and t.id = p_test_id
  for no key update;
  return v_test;
end
$$;

comment on function blood_bank.lock_test(uuid) is 'about=The test, with its donation locked before it. IM005 no such test.';

create function blood_bank.verify_test(p_test_id uuid, p_verified_by uuid) returns blood_bank.donation_tests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_test blood_bank.donation_tests := blood_bank.lock_test(p_test_id);
begin
  if v_test.status = 'verified' then
    return v_test;
  end if;
  if v_test.tested_by = p_verified_by then
    raise exception 'test % was read by the same person', p_test_id
      using errcode = 'IM312', hint = 'ask a second person to verify it';
  end if;
  update blood_bank.donation_tests t
  set status = 'verified', verified_by = p_verified_by
  where t.tenant_id = v_test.tenant_id and t.id = v_test.id
  returning t.* into v_test;
  return v_test;
end
$$;

comment on function blood_bank.verify_test(uuid, uuid) is 'about=A second person verifies a result, which is final then. IM001 declared invalid, IM005 no such test, IM312 the verifier is the tester.';

create function blood_bank.invalidate_test(p_test_id uuid, p_reason text) returns blood_bank.donation_tests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_test blood_bank.donation_tests := blood_bank.lock_test(p_test_id);
begin
  if v_test.status = 'invalid' then
    return v_test;
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'test % needs a reason to be invalid', p_test_id
      using errcode = 'IM002', hint = 'say in p_reason what was wrong with the run';
  end if;
  perform core.set_reason(p_reason);
  update blood_bank.donation_tests t
  set status = 'invalid'
  where t.tenant_id = v_test.tenant_id and t.id = v_test.id
  returning t.* into v_test;
  return v_test;
end
$$;

comment on function blood_bank.invalidate_test(uuid, text) is 'about=The run failed: the result does not count and the test is done again with the next p_repeat_no. IM001 verified already, IM002 no reason, IM005 no such test.';
