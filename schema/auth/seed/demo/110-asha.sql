-- Demo: the accounts of Asha Clinic, and a role of its own. Nobody can sign in with a password: there are no hashes.
-- 310-sign-ins.sql tells what became of each account.

select core.assert_not_production();

select core.begin_request('da000000-0000-7000-8000-000000000000', null, 'system', 'HOPERAT', null);

-- No secrets: with these texts the demo, and nothing else, is encrypted.
select set_config('app.field_key', 'demo field key, not a secret', true);
select set_config('app.index_key', 'demo index key, not a secret', true);

insert into auth.users (
  tenant_id, id, username, display_name, primary_role, email_enc, email_bidx, phone_enc, phone_bidx, mfa_required
)
select
  core.require_tenant(), ('da000000-0005-7000-8000-' || lpad(u.n::text, 12, '0'))::uuid, u.username, u.display_name,
  u.primary_role::auth.user_role, core.encrypt_text(u.username || '@asha.example.org'),
  core.blind_index(u.username || '@asha.example.org'), core.encrypt_text('+9155501' || lpad(u.n::text, 5, '0')),
  core.blind_index('+9155501' || lpad(u.n::text, 5, '0')), u.primary_role in ('admin', 'auditor')
from (
  values
    (1, 'lakshmi', 'Lakshmi Venkatesan', 'admin'),
    (2, 'imran', 'Imran Qureshi', 'receptionist'),
    (3, 'divya', 'Divya Nair', 'receptionist'),
    (4, 'meera', 'Meera Raghavan', 'doctor'),
    (5, 'arjun', 'Arjun Deshpande', 'doctor'),
    (6, 'fatima', 'Fatima Sheikh', 'doctor'),
    (7, 'thomas', 'Thomas Kurian', 'doctor'),
    (8, 'kavitha', 'Kavitha Murugan', 'nurse'),
    (9, 'rohit', 'Rohit Bisht', 'nurse'),
    (10, 'sunita', 'Sunita Patel', 'pharmacist'),
    (11, 'george', 'George Mathew', 'billing'),
    (12, 'nandini', 'Nandini Rao', 'auditor'),
    (13, 'vikas', 'Vikas Yadav', 'lab_tech'),
    (14, 'sanjana', 'Sanjana Hegde', 'patient'),
    (15, 'jobs', 'Asha Clinic jobs', 'system')
) as u (n, username, display_name, primary_role)
on conflict do nothing;

-- A role that only this clinic has, and one permission that it adds to a shared role.
insert into auth.roles (tenant_id, id, code, name, description) values
  (
    core.require_tenant(), 'da000000-000d-7000-8000-000000000001', 'duty_manager', 'Duty manager',
    'Runs Asha Clinic at night and on holidays.'
  )
on conflict do nothing;

insert into auth.role_permissions (tenant_id, id, role_id, permission_code)
select
  core.require_tenant(), ('da000000-000e-7000-8000-' || lpad(g.n::text, 12, '0'))::uuid, r.id, g.permission_code
from (
  values
    (1, 'duty_manager', 'facility.beds.manage'),
    (2, 'duty_manager', 'workforce.shifts.manage'),
    (3, 'receptionist', 'communication.templates.manage')
) as g (n, role_code, permission_code)
join auth.roles r on r.code = g.role_code and (r.tenant_id is null or r.tenant_id = core.require_tenant())
on conflict do nothing;
