-- Demo: the people who work at Nile Clinic. Staff 1 to 13 have the accounts of the same number; number 16 keeps the
-- house and 17 is on leave, neither signs in. Doctor 1 is the urgent care.

select core.assert_not_production();

select core.begin_request('db000000-0000-7000-8000-000000000000', null, 'system', 'HOPERAT', null);

-- No secrets: with these texts the demo, and nothing else, is encrypted.
select set_config('app.field_key', 'demo field key, not a secret', true);
select set_config('app.index_key', 'demo index key, not a secret', true);

insert into workforce.staff (
  tenant_id, id, employee_code, user_id, given_name, family_name, sex, dob_enc, phone_enc, phone_bidx, email_enc, kind,
  department_id, designation, employment_type, joined_on
)
select
  core.require_tenant(), ('db000000-0006-7000-8000-' || lpad(s.n::text, 12, '0'))::uuid,
  'E' || lpad(s.n::text, 4, '0'), u.id, s.given_name, s.family_name, s.sex, core.encrypt_text(s.born_on),
  core.encrypt_text('+24955501' || lpad(s.n::text, 5, '0')), core.blind_index('+24955501' || lpad(s.n::text, 5, '0')),
  core.encrypt_text('staff' || s.n || '@nile.example.org'), s.kind,
  ('db000000-0002-7000-8000-' || lpad(s.department::text, 12, '0'))::uuid, s.designation, s.employment_type,
  date '2021-01-01' + s.n * 40
from (
  values
    (1, 'Ibtisam', 'Hamid', 'female', '1976-02-18', 'administrator', 5, 'Administrator', 'full_time'),
    (2, 'Mazin', 'Elhadi', 'male', '1993-09-12', 'administrator', 5, 'Receptionist', 'full_time'),
    (3, 'Rania', 'Osman', 'female', '1997-05-06', 'administrator', 5, 'Receptionist', 'full_time'),
    (4, 'Amna', 'Abdelrahman', 'female', '1982-10-25', 'doctor', 1, 'Physician, urgent care', 'full_time'),
    (5, 'Osman', 'Eltayeb', 'male', '1971-04-02', 'doctor', 1, 'Physician', 'full_time'),
    (6, 'Hiba', 'Mustafa', 'female', '1986-01-13', 'doctor', 2, 'Paediatrician', 'full_time'),
    (7, 'Khalid', 'Babiker', 'male', '1968-07-29', 'doctor', 1, 'Physician, video consultations', 'visiting'),
    (8, 'Sumaya', 'Idris', 'female', '1980-11-16', 'nurse', 1, 'Head nurse', 'full_time'),
    (9, 'Tariq', 'Salih', 'male', '1995-03-22', 'nurse', 1, 'Nurse', 'full_time'),
    (10, 'Nahla', 'Fadlalla', 'female', '1989-06-10', 'pharmacist', 4, 'Pharmacist', 'full_time'),
    (11, 'Yasir', 'Bashir', 'male', '1991-12-28', 'administrator', 5, 'Billing clerk', 'full_time'),
    (12, 'Samia', 'Gadir', 'female', '1978-08-04', 'administrator', 5, 'Privacy officer', 'full_time'),
    (13, 'Hatim', 'Nour', 'male', '1999-02-15', 'technician', 4, 'Laboratory technician', 'full_time'),
    (16, 'Adam', 'Ishag', 'male', '1987-10-01', 'support', 5, 'Housekeeping', 'full_time'),
    (17, 'Wafa', 'Taha', 'female', '1992-04-09', 'nurse', 3, 'Nurse', 'full_time')
) as s (n, given_name, family_name, sex, born_on, kind, department, designation, employment_type)
left join auth.users u
  on u.tenant_id = core.require_tenant() and u.id = ('db000000-0005-7000-8000-' || lpad(s.n::text, 12, '0'))::uuid
on conflict do nothing;

insert into workforce.doctors (
  tenant_id, id, staff_id, registration_no, registration_council, registration_valid_to, hpr_id,
  qualification, specialty_codes, consultation_minutes, default_fee, telemedicine_enabled
)
select
  core.require_tenant(), ('db000000-0007-7000-8000-' || lpad(d.n::text, 12, '0'))::uuid,
  ('db000000-0006-7000-8000-' || lpad(d.staff::text, 12, '0'))::uuid, d.registration_no, d.council, '2035-12-31',
  '71-0000-0000-000' || d.n, d.qualification, d.specialties, d.minutes, d.fee, d.by_video
from (
  values
    (1, 4, 'SMC-0000401', 'Sudan Medical Council', 'MBBS, MD', array['emergency_medicine'], 30, 30000, false),
    (2, 5, 'SMC-0000502', 'Sudan Medical Council', 'MBBS, MRCP', array['general_medicine'], 15, 25000, false),
    (3, 6, 'SMC-0000603', 'Sudan Medical Council', 'MBBS, DCH', array['paediatrics'], 20, 25000, false),
    (4, 7, 'SMC-0000704', 'Sudan Medical Council', 'MBBS, MD', array['general_medicine'], 30, 20000, true)
) as d (n, staff, registration_no, council, qualification, specialties, minutes, fee, by_video)
on conflict do nothing;
