-- A few tests that every laboratory has, with ranges of common textbooks: defaults that nobody has approved. A tenant makes
-- its own rows with the same codes.

insert into laboratory.lab_tests (
  tenant_id, id, code, name, loinc, kind, department_code, specimen_type, container, min_volume_ml, method, result_type,
  unit_ucum, decimals, tat_minutes, stat_tat_minutes, stability_hours, delta_check_pct, requires_authorisation, active
) values
  (
    null, '00000000-0401-7000-8000-000000000001', 'HB', 'Haemoglobin', '718-7', 'test', 'haematology', 'blood', 'edta', 1,
    'photometry', 'numeric', 'g/dL', 1, 120, 30, 24, 20, true, true
  ),
  (
    null, '00000000-0401-7000-8000-000000000002', 'CREAT', 'Creatinine', '2160-0', 'test', 'biochemistry', 'serum',
    'plain', 0.5, 'enzymatic', 'numeric', 'mg/dL', 2, 240, 60, 24, 50, true, true
  ),
  (
    null, '00000000-0401-7000-8000-000000000003', 'HBA1C', 'Haemoglobin A1c', '4548-4', 'test', 'biochemistry', 'blood',
    'edta', 1, 'HPLC', 'numeric', '%', 1, 1440, null, 72, null, true, true
  ),
  (
    null, '00000000-0401-7000-8000-000000000004', 'ADM', 'Admission profile', null, 'panel', 'biochemistry', null, null,
    null, null, null, null, null, 240, 60, null, null, false, true
  )
on conflict do nothing;

insert into laboratory.lab_panel_members (tenant_id, panel_id, test_id, seq, required) values
  (null, '00000000-0401-7000-8000-000000000004', '00000000-0401-7000-8000-000000000001', 1, true),
  (null, '00000000-0401-7000-8000-000000000004', '00000000-0401-7000-8000-000000000002', 2, true)
on conflict do nothing;

insert into laboratory.reference_ranges (
  tenant_id, id, test_id, sex, age_days, pregnancy, low, high, critical_low, critical_high, reportable_low,
  reportable_high, valid_during
) values
  (
    null, '00000000-0402-7000-8000-000000000001', '00000000-0401-7000-8000-000000000001', 'female', '[4380,)', 'any', 12,
    15.5, 7, 20, 1, 30, '[2020-01-01,)'
  ),
  (
    null, '00000000-0402-7000-8000-000000000002', '00000000-0401-7000-8000-000000000001', 'male', '[4380,)', 'any', 13,
    17, 7, 20, 1, 30, '[2020-01-01,)'
  ),
  (
    null, '00000000-0402-7000-8000-000000000003', '00000000-0401-7000-8000-000000000001', 'any', '[365,4380)', 'any', 11,
    15, 7, 20, 1, 30, '[2020-01-01,)'
  ),
  (
    null, '00000000-0402-7000-8000-000000000004', '00000000-0401-7000-8000-000000000002', 'any', '[6570,)', 'any', 0.6,
    1.2, null, 7, 0.1, 20, '[2020-01-01,)'
  ),
  (
    null, '00000000-0402-7000-8000-000000000005', '00000000-0401-7000-8000-000000000003', 'any', '(,)', 'any', 4, 5.6,
    null, null, 3, 18, '[2020-01-01,)'
  )
on conflict do nothing;
