-- The roles that the product knows by name. A tenant's own roles are rows of auth.roles.

create type auth.user_role as enum (
  'super_admin', 'admin', 'doctor', 'nurse', 'lab_tech', 'pharmacist', 'receptionist', 'billing', 'auditor', 'patient',
  'system'
);

comment on type auth.user_role is 'about=The role a user mainly works in; each has a shared row in auth.roles.';
