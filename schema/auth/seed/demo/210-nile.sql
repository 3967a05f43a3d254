-- Demo: the accounts of Nile Clinic, and a role of its own. Nobody can sign in with a password: there are no hashes.
-- 310-sign-ins.sql tells what became of each account.

select core.assert_not_production();

select core.begin_request('db000000-0000-7000-8000-000000000000', null, 'system', 'HOPERAT', null);

-- No secrets: with these texts the demo, and nothing else, is encrypted.
select set_config('app.field_key', 'demo field key, not a secret', true);
select set_config('app.index_key', 'demo index key, not a secret', true);

insert into auth.users (
  tenant_id, id, username, display_name, primary_role, email_enc, email_bidx, phone_enc, phone_bidx, mfa_required
)
select
  core.require_tenant(), ('db000000-0005-7000-8000-' || lpad(u.n::text, 12, '0'))::uuid, u.username, u.display_name,
  u.primary_role::auth.user_role, core.encrypt_text(u.username || '@nile.example.org'),
  core.blind_index(u.username || '@nile.example.org'), core.encrypt_text('+24955501' || lpad(u.n::text, 5, '0')),
  core.blind_index('+24955501' || lpad(u.n::text, 5, '0')), u.primary_role in ('admin', 'auditor')
from (
  values
    (1, 'ibtisam', 'Ibtisam Hamid', 'admin'),
    (2, 'mazin', 'Mazin Elhadi', 'receptionist'),
    (3, 'rania', 'Rania Osman', 'receptionist'),
    (4, 'amna', 'Amna Abdelrahman', 'doctor'),
    (5, 'osman', 'Osman Eltayeb', 'doctor'),
    (6, 'hiba', 'Hiba Mustafa', 'doctor'),
    (7, 'khalid', 'Khalid Babiker', 'doctor'),
    (8, 'sumaya', 'Sumaya Idris', 'nurse'),
    (9, 'tariq', 'Tariq Salih', 'nurse'),
    (10, 'nahla', 'Nahla Fadlalla', 'pharmacist'),
    (11, 'yasir', 'Yasir Bashir', 'billing'),
    (12, 'samia', 'Samia Gadir', 'auditor'),
    (13, 'hatim', 'Hatim Nour', 'lab_tech'),
    (14, 'lubna', 'Lubna Karim', 'patient'),
    (15, 'jobs', 'Nile Clinic jobs', 'system')
) as u (n, username, display_name, primary_role)
on conflict do nothing;

-- A role that only this clinic has, and one permission that it adds to a shared role.
insert into auth.roles (tenant_id, id, code, name, description) values
  (
    core.require_tenant(), 'db000000-000d-7000-8000-000000000001', 'duty_manager', 'Duty manager',
    'Runs Nile Clinic at night and on holidays.'
  )
on conflict do nothing;

insert into auth.role_permissions (tenant_id, id, role_id, permission_code)
select
  core.require_tenant(), ('db000000-000e-7000-8000-' || lpad(g.n::text, 12, '0'))::uuid, r.id, g.permission_code
from (
  values
    (1, 'duty_manager', 'facility.beds.manage'),
    (2, 'duty_manager', 'workforce.shifts.manage'),
    (3, 'receptionist', 'communication.templates.manage')
) as g (n, role_code, permission_code)
join auth.roles r on r.code = g.role_code and (r.tenant_id is null or r.tenant_id = core.require_tenant())
on conflict do nothing;
