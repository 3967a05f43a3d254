-- What a user may do now. The server compiles it at sign-in; nothing checks it row by row.

create view auth.user_permissions
  with (security_invoker = true)
as
select
  ur.tenant_id, ur.user_id, rp.permission_code, p.phi_level, ur.clinic_id, ur.department_id, r.code as role_code,
  ur.valid_to
from auth.user_roles ur
join auth.roles r on r.id = ur.role_id
join auth.role_permissions rp on rp.role_id = r.id and (rp.tenant_id is null or rp.tenant_id = ur.tenant_id)
join auth.permissions p on p.code = rp.permission_code
where ur.valid_from <= now() and (ur.valid_to is null or ur.valid_to > now());

comment on view auth.user_permissions is 'class=operational;scope=tenant;owner=auth;about=Permissions that each user holds at this moment, with the clinic and department they are limited to.';
