-- Demo: a small catalogue. Names, ATC codes and schedules are public facts, the codes are made up; a hospital loads its
-- own. It comes first, because stock items refer to it. Ids are 06000000-0000-7000-8000-0000000000NN, the same for all
-- tenants. Ingredient codes are the plain names.

select core.assert_not_production();

-- shared rows know no tenant that the guard of core.tenants would stop: one block, so that the guard covers them
do $$
begin
  perform core.assert_not_production();
  insert into medication.drugs (
    id, code, generic_name, form, strength, route, atc, schedule, is_high_alert, is_lasa, is_antimicrobial, aware_group,
    telemedicine_list, storage
  )
  values
    ('06000000-0000-7000-8000-000000000001', 'DEMO-01', 'Paracetamol', 'tablet', '500 mg', '{oral}', 'N02BE01', 'OTC', false, false, false, 'na', 'O', null),
    ('06000000-0000-7000-8000-000000000002', 'DEMO-02', 'Amoxicillin', 'capsule', '500 mg', '{oral}', 'J01CA04', 'H', false, false, true, 'access', 'A', null),
    ('06000000-0000-7000-8000-000000000003', 'DEMO-03', 'Ceftriaxone', 'injection', '1 g', '{iv,im}', 'J01DD04', 'H1', false, true, true, 'watch', 'B', null),
    ('06000000-0000-7000-8000-000000000004', 'DEMO-04', 'Ibuprofen', 'tablet', '400 mg', '{oral}', 'M01AE01', 'H', false, false, false, 'na', 'A', null),
    ('06000000-0000-7000-8000-000000000005', 'DEMO-05', 'Pantoprazole', 'tablet', '40 mg', '{oral}', 'A02BC02', 'H', false, false, false, 'na', 'A', null),
    ('06000000-0000-7000-8000-000000000006', 'DEMO-06', 'Metformin', 'tablet', '500 mg', '{oral}', 'A10BA02', 'G', false, true, false, 'na', 'A', null),
    ('06000000-0000-7000-8000-000000000007', 'DEMO-07', 'Insulin human, soluble', 'injection', '100 IU/ml', '{sc,iv}', 'A10AB01', 'G', true, true, false, 'na', 'B', '2-8 degrees Celsius'),
    ('06000000-0000-7000-8000-000000000008', 'DEMO-08', 'Enoxaparin', 'injection', '40 mg', '{sc}', 'B01AB05', 'H', true, false, false, 'na', 'B', null),
    ('06000000-0000-7000-8000-000000000009', 'DEMO-09', 'Morphine', 'injection', '10 mg/ml', '{iv,sc}', 'N02AA01', 'NDPS', true, true, false, 'na', 'prohibited', 'locked cupboard'),
    ('06000000-0000-7000-8000-000000000010', 'DEMO-10', 'Oral rehydration salts', 'sachet', '20.5 g', '{oral}', null, 'OTC', false, false, false, 'na', 'O', null)
  on conflict (code) do nothing;

  insert into medication.drug_ingredients (drug_id, ingredient_code, ingredient_name, strength_value, strength_unit)
  values
    ('06000000-0000-7000-8000-000000000001', 'paracetamol', 'Paracetamol', 500, 'mg'),
    ('06000000-0000-7000-8000-000000000002', 'amoxicillin', 'Amoxicillin', 500, 'mg'),
    ('06000000-0000-7000-8000-000000000003', 'ceftriaxone', 'Ceftriaxone', 1000, 'mg'),
    ('06000000-0000-7000-8000-000000000004', 'ibuprofen', 'Ibuprofen', 400, 'mg'),
    ('06000000-0000-7000-8000-000000000005', 'pantoprazole', 'Pantoprazole', 40, 'mg'),
    ('06000000-0000-7000-8000-000000000006', 'metformin', 'Metformin', 500, 'mg'),
    ('06000000-0000-7000-8000-000000000007', 'insulin', 'Insulin', 100, '[IU]'),
    ('06000000-0000-7000-8000-000000000008', 'enoxaparin', 'Enoxaparin', 40, 'mg'),
    ('06000000-0000-7000-8000-000000000009', 'morphine', 'Morphine', 10, 'mg'),
    ('06000000-0000-7000-8000-000000000010', 'oral_rehydration_salts', 'Oral rehydration salts', null, null)
  on conflict (drug_id, ingredient_code) do nothing;
end
$$;
