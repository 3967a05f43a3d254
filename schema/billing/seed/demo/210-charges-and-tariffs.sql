-- Demo: what the hospital charges. Prices and the package are made up.

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
    v_id := left(v_tenant::text, 8);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000011')::uuid, 'billing', 'TREAT', null);
    continue when exists (select from billing.charge_master c where c.tenant_id = v_tenant);

    insert into billing.charge_master (
      tenant_id, id, code, name, kind, department_id, sac_hsn, gst_rate, is_exempt, base_price, unit, package_components,
      hbp_package_code
    )
    select
      v_tenant, (v_id || '-0900-7000-8000-' || lpad(c.n::text, 12, '0'))::uuid, c.code, c.name, c.kind,
      (v_id || '-0002-7000-8000-' || lpad(c.department::text, 12, '0'))::uuid, c.sac, c.gst, c.gst = 0, c.price, c.unit,
      c.components, case c.kind when 'package' then 'DEMO-S01' end
    from (
      values
        (1, 'REG', 'Registration', 'registration', 1, '9993', 0, 100, 'each', null::jsonb),
        (2, 'CONS-OPD', 'Consultation, outpatient', 'service', 1, '9993', 0, 500, 'visit', null),
        (3, 'CONS-EMER', 'Consultation, emergency', 'service', 1, '9993', 0, 800, 'visit', null),
        (4, 'BED-GEN', 'Bed in the general ward', 'room', 1, '9993', 0, 1500, 'day', null),
        (5, 'BED-DELUXE', 'Single room, deluxe', 'room', 1, '9993', 5, 7500, 'day', null),
        (6, 'LAB-CBC', 'Complete blood count', 'lab', 4, '9993', 0, 350, 'test', null),
        (7, 'LAB-GLU', 'Glucose', 'lab', 4, '9993', 0, 150, 'test', null),
        (8, 'LAB-CREAT', 'Creatinine', 'lab', 4, '9993', 0, 250, 'test', null),
        (9, 'IMG-XRAY', 'X-ray, chest', 'imaging', 1, '9993', 0, 600, 'each', null),
        (10, 'BLOOD-PRBC', 'Packed red cells, processing', 'service', 4, '9993', 0, 1450, 'unit', null),
        (11, 'PROC-MINOR', 'Minor procedure', 'procedure', 3, '9993', 0, 3500, 'each', null),
        (12, 'DRUG-PARA', 'Paracetamol 500 mg', 'drug', 4, '3004', 5, 2.50, 'tablet', null),
        (13, 'DRUG-CEF', 'Ceftriaxone 1 g', 'drug', 4, '3004', 5, 65, 'vial', null),
        (14, 'CONS-IVSET', 'Infusion set', 'consumable', 4, '9018', 5, 120, 'each', null),
        (
          15, 'PKG-SURGERY', 'Operation, all included', 'package', 3, '9993', 0, 22000, 'each',
          '[{"code": "BED-GEN", "quantity": 4}, {"code": "LAB-CBC", "quantity": null}, {"code": "LAB-GLU", "quantity": null},
            {"code": "LAB-CREAT", "quantity": null}, {"code": "IMG-XRAY", "quantity": 2}, {"code": "BLOOD-PRBC", "quantity": 2},
            {"code": "DRUG-PARA", "quantity": null}, {"code": "DRUG-CEF", "quantity": null},
            {"code": "CONS-IVSET", "quantity": null}]'
        )
    ) as c (n, code, name, kind, department, sac, gst, price, unit, components)
    order by c.n;

    insert into billing.tariffs (
      tenant_id, id, charge_id, care_class, clinic_id, price, discount_pct, valid_during, approved_by
    )
    select
      v_tenant, (v_id || '-0901-7000-8000-' || lpad(t.n::text, 12, '0'))::uuid,
      (v_id || '-0900-7000-8000-' || lpad(t.charge::text, 12, '0'))::uuid, t.class,
      case when t.here then (v_id || '-0001-7000-8000-000000000001')::uuid end, t.price, t.discount,
      daterange(current_date - t.since, t.until), (v_id || '-0006-7000-8000-000000000011')::uuid
    from (
      values
        (1, 2, null, true, 450, 0, 365, current_date - 30), -- last year's price
        (2, 2, null, true, 500, 10, 30, null),
        (3, 4, 'private', false, 3000, 0, 365, null),
        (4, 10, 'private', false, 1550, 0, 365, null)
    ) as t (n, charge, class, here, price, discount, since, until)
    order by t.n;
  end loop;
end
$$;
