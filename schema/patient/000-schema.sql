-- The master patient index: who the patients of a tenant are, and that each is there once.

create schema patient;

comment on schema patient is 'owner=clinical;about=Master patient index.';

select core.create_service_roles('clinical');
