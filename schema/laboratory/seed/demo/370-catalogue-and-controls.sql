-- Demo: tests that the house has beside the shared ones, its approved ranges, and a month of quality control on the
-- analyser: one run was rejected, reviewed and repeated.

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_test text; -- the front of the ids of its tests
  v_doctor uuid; -- who approves
  v_analyser uuid;
  v_lot record;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000013')::uuid, 'technician', 'HOPERAT', null);
    continue when exists (select from laboratory.lab_tests t where t.tenant_id = v_tenant);
    v_test := v_id || '-0401-7000-8000-00000000000';
    v_doctor := (v_id || '-0006-7000-8000-000000000005')::uuid;
    v_analyser := (v_id || '-0f01-7000-8000-000000000001')::uuid;

    insert into laboratory.lab_tests (
      tenant_id, id, code, name, kind, department_code, specimen_type, container, min_volume_ml, method, result_type,
      unit_ucum, decimals, tat_minutes, stat_tat_minutes, stability_hours, transport_temp, nabl_scope,
      requires_authorisation, active
    )
    values
      (v_tenant, (v_test || 1)::uuid, 'NA', 'Sodium', 'test', 'biochemistry', 'serum', 'plain', 0.5, 'ion selective electrode', 'numeric', 'mmol/L', 0, 240, 45, 8, 'ambient', true, true, true),
      (v_tenant, (v_test || 2)::uuid, 'K', 'Potassium', 'test', 'biochemistry', 'serum', 'plain', 0.5, 'ion selective electrode', 'numeric', 'mmol/L', 1, 240, 45, 8, 'ambient', true, true, true),
      (v_tenant, (v_test || 3)::uuid, 'ELEC', 'Electrolytes', 'panel', 'biochemistry', null, null, null, null, null, null, null, 240, 45, null, 'ambient', false, false, true),
      (v_tenant, (v_test || 4)::uuid, 'UCULT', 'Urine culture', 'test', 'microbiology', 'urine', 'sterile_cup', 5, 'culture', 'text', null, null, 4320, null, 2, 'refrigerated', false, true, true),
      (v_tenant, (v_test || 5)::uuid, 'CRP', 'C-reactive protein', 'test', 'biochemistry', 'serum', 'plain', 0.5, 'turbidimetry', 'numeric', 'mg/L', 1, 240, 60, 48, 'ambient', false, false, true);
    insert into laboratory.lab_panel_members (tenant_id, panel_id, test_id, seq, required)
    values
      (v_tenant, (v_test || 3)::uuid, (v_test || 1)::uuid, 1, true),
      (v_tenant, (v_test || 3)::uuid, (v_test || 2)::uuid, 2, true);
    insert into laboratory.reference_ranges (
      tenant_id, test_id, sex, age_days, pregnancy, low, high, critical_low, critical_high, reportable_low, reportable_high,
      valid_during, approved_by
    )
    values
      (v_tenant, (v_test || 1)::uuid, 'any', '(,)', 'any', 135, 145, 120, 160, 80, 200, '[2024-01-01,)', v_doctor),
      (v_tenant, (v_test || 2)::uuid, 'any', '(,)', 'any', 3.5, 5.1, 2.5, 6.5, 1, 10, '[2024-01-01,)', v_doctor),
      (v_tenant, (v_test || 5)::uuid, 'any', '(,)', 'any', 0, 5, null, null, 0, 300, '[2024-01-01,)', v_doctor);
    -- the shared ranges are defaults; the house approves those that it uses
    insert into laboratory.reference_ranges (
      tenant_id, test_id, sex, age_days, pregnancy, low, high, critical_low, critical_high, reportable_low, reportable_high,
      valid_during, approved_by
    )
    select
      v_tenant, g.test_id, g.sex, g.age_days, g.pregnancy, g.low, g.high, g.critical_low, g.critical_high,
      g.reportable_low, g.reportable_high, g.valid_during, v_doctor
    from laboratory.reference_ranges g
    where g.tenant_id is null;

    for v_lot in
      select l.*
      from (
        values
          (1, 'L1', 2, 2.8, 0.08), (2, 'L2', 2, 4.2, 0.10), (3, 'L1', 1, 122.0, 1.2), (4, 'L2', 1, 141.0, 1.3),
          (5, 'L2', 5, 8.0, 0.4)
      ) as l (n, level, test, mean, sd)
      order by l.n
    loop
      insert into laboratory.qc_lots (
        tenant_id, id, material, lot_number, level, test_id, device_id, mean, sd, source, runs_for_establishment,
        opened_on, expires_on
      )
      values (
        v_tenant, (v_id || '-0403-7000-8000-' || lpad(v_lot.n::text, 12, '0'))::uuid, 'Example control serum',
        'ECS-24' || v_lot.n, v_lot.level, (v_test || v_lot.test)::uuid, v_analyser, v_lot.mean, v_lot.sd,
        'manufacturer', 2, current_date - 30, current_date + 150
      );
      -- lots 1 to 4 are in use since a month, 5 is being established
      continue when v_lot.n = 5;
      update laboratory.qc_lots l
      set status = 'active', accepted_at = now() - interval '15 days', accepted_by = v_doctor
      where l.tenant_id = v_tenant and l.id = (v_id || '-0403-7000-8000-' || lpad(v_lot.n::text, 12, '0'))::uuid;
      -- a run a day, within one SD and on both sides of the mean
      perform laboratory.record_qc(
        (v_id || '-0403-7000-8000-' || lpad(v_lot.n::text, 12, '0'))::uuid,
        v_lot.mean + v_lot.sd * (array[0.4, -0.6, 0.9, -0.3])[1 + d % 4], date_trunc('day', now()) - d * interval '1 day'
      )
      from generate_series(10, 0, -1) d;
    end loop;

    perform laboratory.record_qc((v_id || '-0403-7000-8000-000000000005')::uuid, 8.1, now() - interval '3 hours');
    -- last week the high control failed, and was in order after the reagent was changed
    perform laboratory.record_qc(
      (v_id || '-0403-7000-8000-000000000002')::uuid, 4.6, date_trunc('day', now()) - interval '6 days 22 hours'
    );
    perform laboratory.record_qc(
      (v_id || '-0403-7000-8000-000000000002')::uuid, 4.23, date_trunc('day', now()) - interval '6 days 21 hours'
    );
    perform laboratory.record_eqa(
      t.id, v_analyser, 'Example scheme, round ' || t.round, t.value, t.target, t.sd, now() - t.ago
    )
    from (
      values
        ((v_test || 2)::uuid, 1, 4.31, 4.25, 0.08, interval '100 days'),
        ((v_test || 1)::uuid, 1, 143.0, 140.0, 1.2, interval '100 days')
    ) as t (id, round, value, target, sd, ago);
    perform laboratory.review_qc(q.id)
    from laboratory.qc_results q
    where q.tenant_id = v_tenant and q.scheme = 'eqa';
  end loop;
end
$$;
