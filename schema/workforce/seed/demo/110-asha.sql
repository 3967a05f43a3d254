-- Demo: the people who work at Asha Clinic. Staff 1 to 13 have the accounts of the same number; number 16 keeps the
-- house and 17 is on leave, neither signs in. Doctor 1 is the urgent care.

select core.assert_not_production();

select core.begin_request('da000000-0000-7000-8000-000000000000', null, 'system', 'HOPERAT', null);

-- No secrets: with these texts the demo, and nothing else, is encrypted.
select set_config('app.field_key', 'demo field key, not a secret', true);
select set_config('app.index_key', 'demo index key, not a secret', true);

insert into workforce.staff (
  tenant_id, id, employee_code, user_id, given_name, family_name, sex, dob_enc, phone_enc, phone_bidx, email_enc, kind,
  department_id, designation, employment_type, joined_on
)
select
  core.require_tenant(), ('da000000-0006-7000-8000-' || lpad(s.n::text, 12, '0'))::uuid,
  'E' || lpad(s.n::text, 4, '0'), u.id, s.given_name, s.family_name, s.sex, core.encrypt_text(s.born_on),
  core.encrypt_text('+9155501' || lpad(s.n::text, 5, '0')), core.blind_index('+9155501' || lpad(s.n::text, 5, '0')),
  core.encrypt_text('staff' || s.n || '@asha.example.org'), s.kind,
  ('da000000-0002-7000-8000-' || lpad(s.department::text, 12, '0'))::uuid, s.designation, s.employment_type,
  date '2021-01-01' + s.n * 40
from (
  values
    (1, 'Lakshmi', 'Venkatesan', 'female', '1979-03-14', 'administrator', 5, 'Administrator', 'full_time'),
    (2, 'Imran', 'Qureshi', 'male', '1992-11-02', 'administrator', 5, 'Receptionist', 'full_time'),
    (3, 'Divya', 'Nair', 'female', '1996-06-21', 'administrator', 5, 'Receptionist', 'full_time'),
    (4, 'Meera', 'Raghavan', 'female', '1981-01-30', 'doctor', 1, 'Physician, urgent care', 'full_time'),
    (5, 'Arjun', 'Deshpande', 'male', '1975-08-09', 'doctor', 1, 'Physician', 'full_time'),
    (6, 'Fatima', 'Sheikh', 'female', '1984-04-17', 'doctor', 2, 'Paediatrician', 'full_time'),
    (7, 'Thomas', 'Kurian', 'male', '1969-12-05', 'doctor', 1, 'Physician, video consultations', 'visiting'),
    (8, 'Kavitha', 'Murugan', 'female', '1983-09-27', 'nurse', 1, 'Head nurse', 'full_time'),
    (9, 'Rohit', 'Bisht', 'male', '1994-02-11', 'nurse', 1, 'Nurse', 'full_time'),
    (10, 'Sunita', 'Patel', 'female', '1988-07-19', 'pharmacist', 4, 'Pharmacist', 'full_time'),
    (11, 'George', 'Mathew', 'male', '1990-10-08', 'administrator', 5, 'Billing clerk', 'full_time'),
    (12, 'Nandini', 'Rao', 'female', '1977-05-23', 'administrator', 5, 'Privacy officer', 'full_time'),
    (13, 'Vikas', 'Yadav', 'male', '1998-03-03', 'technician', 4, 'Laboratory technician', 'full_time'),
    (16, 'Ramesh', 'Gowda', 'male', '1986-12-12', 'support', 5, 'Housekeeping', 'full_time'),
    (17, 'Priya', 'Menon', 'female', '1991-08-30', 'nurse', 3, 'Nurse', 'full_time')
) as s (n, given_name, family_name, sex, born_on, kind, department, designation, employment_type)
left join auth.users u
  on u.tenant_id = core.require_tenant() and u.id = ('da000000-0005-7000-8000-' || lpad(s.n::text, 12, '0'))::uuid
on conflict do nothing;

insert into workforce.doctors (
  tenant_id, id, staff_id, registration_no, registration_council, registration_valid_to, hpr_id,
  qualification, specialty_codes, consultation_minutes, default_fee, telemedicine_enabled
)
select
  core.require_tenant(), ('da000000-0007-7000-8000-' || lpad(d.n::text, 12, '0'))::uuid,
  ('da000000-0006-7000-8000-' || lpad(d.staff::text, 12, '0'))::uuid, d.registration_no, d.council, '2035-12-31',
  '71-0000-0000-000' || d.n, d.qualification, d.specialties, d.minutes, d.fee, d.by_video
from (
  values
    (1, 4, 'KMC-0000401', 'Karnataka Medical Council', 'MBBS, MD', array['emergency_medicine'], 30, 600, false),
    (2, 5, 'KMC-0000502', 'Karnataka Medical Council', 'MBBS, MD', array['general_medicine'], 15, 500, false),
    (3, 6, 'KMC-0000603', 'Karnataka Medical Council', 'MBBS, DCH', array['paediatrics'], 20, 550, false),
    (4, 7, 'KMC-0000704', 'Karnataka Medical Council', 'MBBS, MD', array['general_medicine'], 30, 400, true)
) as d (n, staff, registration_no, council, qualification, specialties, minutes, fee, by_video)
on conflict do nothing;
