-- The people who work here. An account (auth.users) is optional: not everybody on the rota signs in.

create schema workforce;

comment on schema workforce is 'owner=business;about=People who work here, their credentials and their shifts.';

select core.create_service_roles('business');
