-- Documents, templates, signatures.

create schema ehr;

comment on schema ehr is 'owner=ehr;about=Documents, templates, signatures.';

select core.create_service_roles('ehr');
