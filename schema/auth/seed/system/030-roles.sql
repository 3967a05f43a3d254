-- One shared role for each value of auth.user_role. A new permission reaches a role with the next run of this file; a
-- permission that a role no longer lists here is taken away by a migration, not silently by a seed.

insert into auth.roles (tenant_id, code, name, description, is_system) values
  (null, 'super_admin', 'Platform administrator', 'Runs the installation: tenants, keys, webhooks. Sees no patients.', true),
  (null, 'admin', 'Administrator', 'Runs one organisation: users, roles, clinics, settings. Sees no charts.', true),
  (null, 'doctor', 'Doctor', 'Sees patients, conducts consultations, reads the schedule.', true),
  (null, 'nurse', 'Nurse', 'Cares for patients on a ward or in a clinic, runs the queue.', true),
  (null, 'lab_tech', 'Laboratory technician', 'Collects and examines samples.', true),
  (null, 'pharmacist', 'Pharmacist', 'Dispenses medicines.', true),
  (null, 'receptionist', 'Receptionist', 'Registers patients, books appointments, runs the queue.', true),
  (null, 'billing', 'Billing clerk', 'Writes invoices and takes payments.', true),
  (null, 'auditor', 'Auditor', 'Reads the audit log and reviews emergency access.', true),
  (null, 'patient', 'Patient', 'Sees and books their own appointments in the portal.', true),
  (null, 'system', 'System', 'Jobs and machine clients.', true)
on conflict (tenant_id, code) do update
set name = excluded.name, description = excluded.description
where (roles.name, roles.description) is distinct from (excluded.name, excluded.description);

insert into auth.role_permissions (tenant_id, role_id, permission_code)
select null, r.id, p.code
from (
  values
    ('super_admin', array[
      'core.tenants.read', 'core.tenants.manage', 'core.settings.read', 'core.settings.manage',
      'core.feature_flags.manage', 'core.outbox.manage', 'core.encryption_keys.manage', 'auth.users.read',
      'auth.users.manage', 'auth.roles.read', 'auth.roles.manage', 'auth.roles.grant', 'auth.sessions.revoke',
      'auth.api_clients.manage', 'webhook.endpoints.manage', 'webhook.events.read', 'webhook.events.replay'
    ]),
    ('admin', array[
      'core.tenants.read', 'core.settings.read', 'core.settings.manage', 'core.feature_flags.manage', 'auth.users.read',
      'auth.users.manage', 'auth.roles.read', 'auth.roles.manage', 'auth.roles.grant', 'auth.sessions.revoke',
      'auth.api_clients.manage', 'facility.clinics.read', 'facility.clinics.manage', 'facility.locations.manage',
      'facility.beds.manage', 'workforce.staff.read', 'workforce.staff.manage', 'workforce.credentials.verify',
      'workforce.shifts.read', 'workforce.shifts.manage', 'patient.merges.approve', 'scheduling.schedules.read',
      'scheduling.schedules.manage', 'communication.templates.manage', 'webhook.endpoints.manage',
      'webhook.events.read', 'webhook.events.replay'
    ]),
    ('doctor', array[
      'audit.break_glass.use', 'facility.clinics.read', 'facility.beds.read', 'facility.beds.allocate',
      'workforce.staff.read', 'workforce.shifts.read', 'patient.patients.read', 'patient.patients.update',
      'patient.patients.decrypt', 'patient.merges.propose', 'scheduling.schedules.read', 'scheduling.appointments.read',
      'scheduling.appointments.manage', 'scheduling.appointments.cancel', 'scheduling.consultations.conduct',
      'scheduling.queue.read', 'scheduling.queue.operate', 'booking.requests.read', 'communication.messages.read',
      'communication.messages.send'
    ]),
    ('nurse', array[
      'audit.break_glass.use', 'facility.clinics.read', 'facility.beds.read', 'facility.beds.allocate',
      'workforce.staff.read', 'workforce.shifts.read', 'patient.patients.read', 'patient.patients.update',
      'patient.merges.propose', 'scheduling.schedules.read', 'scheduling.appointments.read', 'scheduling.queue.read',
      'scheduling.queue.operate', 'communication.messages.read', 'communication.messages.send'
    ]),
    ('lab_tech', array['facility.clinics.read', 'workforce.shifts.read', 'patient.patients.read', 'scheduling.queue.read']),
    ('pharmacist', array['facility.clinics.read', 'workforce.shifts.read', 'patient.patients.read', 'scheduling.queue.read']),
    ('receptionist', array[
      'facility.clinics.read', 'facility.beds.read', 'workforce.staff.read', 'workforce.shifts.read',
      'patient.patients.read', 'patient.patients.register', 'patient.patients.update', 'patient.patients.decrypt',
      'patient.merges.propose', 'scheduling.schedules.read', 'scheduling.appointments.read',
      'scheduling.appointments.manage', 'scheduling.appointments.cancel', 'scheduling.queue.read',
      'scheduling.queue.operate', 'booking.requests.create', 'booking.requests.read', 'communication.messages.read',
      'communication.messages.send'
    ]),
    ('billing', array['facility.clinics.read', 'patient.patients.read', 'scheduling.appointments.read']),
    ('auditor', array[
      'audit.logs.read', 'audit.access_logs.read', 'audit.break_glass.review', 'auth.users.read', 'auth.roles.read',
      'core.settings.read'
    ]),
    ('patient', array['facility.clinics.read', 'scheduling.schedules.read', 'booking.requests.create']),
    ('system', array[
      'core.outbox.manage', 'communication.messages.send', 'scheduling.schedules.read', 'scheduling.schedules.manage',
      'scheduling.queue.operate', 'webhook.events.read', 'webhook.events.replay'
    ])
) as g (role_code, permission_codes)
join auth.roles r on r.tenant_id is null and r.code = g.role_code
join auth.permissions p on p.code = any (g.permission_codes)
on conflict (tenant_id, role_id, permission_code) do nothing;
