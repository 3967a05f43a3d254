-- Demo: the house of Nile Clinic: one clinic that is open and one that is being built, departments, rooms and beds.

select core.assert_not_production();

select core.begin_request('db000000-0000-7000-8000-000000000000', null, 'system', 'HOPERAT', null);

insert into facility.clinics (
  tenant_id, id, code, name, kind, country, timezone, address, phone, opening_hours, bed_capacity
) values
  (
    core.require_tenant(), 'db000000-0001-7000-8000-000000000001', 'KRT', 'Nile Clinic Khartoum', 'clinic', 'SD',
    'Africa/Khartoum', '{"line": "1 Example Avenue", "city": "Khartoum"}', '+249555010000',
    '{"daily": ["00:00", "24:00"]}', 8
  ),
  (
    core.require_tenant(), 'db000000-0001-7000-8000-000000000002', 'OMD', 'Nile Clinic Omdurman', 'clinic', 'SD',
    'Africa/Khartoum', '{"line": "2 Example Avenue", "city": "Omdurman"}', null, '{}', 0
  )
on conflict do nothing;

update facility.clinics
set status = 'active'
where tenant_id = core.require_tenant() and id = 'db000000-0001-7000-8000-000000000001' and status = 'draft';

insert into facility.departments (tenant_id, id, clinic_id, parent_department_id, code, name, kind)
select
  core.require_tenant(), ('db000000-0002-7000-8000-' || lpad(d.n::text, 12, '0'))::uuid,
  'db000000-0001-7000-8000-000000000001', ('db000000-0002-7000-8000-' || lpad(d.above::text, 12, '0'))::uuid, d.code,
  d.name, d.kind
from (
  values
    (1, null, 'OPD', 'Outpatients and urgent care', 'clinical'),
    (2, 1, 'PAED', 'Paediatrics', 'clinical'),
    (3, null, 'DAY', 'Day care', 'clinical'),
    (4, null, 'LAB', 'Laboratory and pharmacy', 'diagnostic'),
    (5, null, 'OFF', 'Front office and administration', 'administrative')
) as d (n, above, code, name, kind)
order by d.n
on conflict do nothing;

insert into facility.locations (
  tenant_id, id, clinic_id, parent_location_id, department_id, kind, code, name, care_class
)
select
  core.require_tenant(), ('db000000-0003-7000-8000-' || lpad(l.n::text, 12, '0'))::uuid,
  'db000000-0001-7000-8000-000000000001', ('db000000-0003-7000-8000-' || lpad(l.inside::text, 12, '0'))::uuid,
  ('db000000-0002-7000-8000-' || lpad(l.department::text, 12, '0'))::uuid, l.kind, l.code, l.name, l.care_class
from (
  values
    (1, null, null, 'building', 'MAIN', 'Main building', null),
    (2, 1, null, 'floor', 'F0', 'Ground floor', null),
    (3, 1, null, 'floor', 'F1', 'First floor', null),
    (4, 2, 5, 'counter', 'DESK1', 'Front desk', null),
    (5, 2, 1, 'room', 'OPD1', 'Consulting room 1', null),
    (6, 2, 1, 'room', 'OPD2', 'Consulting room 2', null),
    (7, 2, 4, 'collection_point', 'LAB1', 'Sample collection', null),
    (8, 3, 3, 'ward', 'DAY', 'Day-care ward', 'day_care'),
    (9, 3, 3, 'theatre', 'PROC', 'Procedure room', null)
) as l (n, inside, department, kind, code, name, care_class)
order by l.n -- a place after the one that contains it
on conflict do nothing;

insert into facility.beds (tenant_id, id, location_id, code, bed_type)
select
  core.require_tenant(), ('db000000-0004-7000-8000-' || lpad(n::text, 12, '0'))::uuid,
  'db000000-0003-7000-8000-000000000008', 'D' || n, case when n > 6 then 'trolley' else 'day_care' end
from generate_series(1, 8) n
on conflict do nothing;
