-- Who may sign in, and what they may do. Passwords and tokens are kept as hashes only.

create schema auth;

comment on schema auth is 'owner=auth;about=Identity, roles, sessions and machine clients.';

select core.create_service_roles('auth');
