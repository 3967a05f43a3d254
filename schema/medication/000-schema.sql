-- Drug knowledge, prescribing, dispensing, administration.

create schema medication;

comment on schema medication is 'owner=medication;about=Drug knowledge, prescribing, dispensing, administration.';

select core.create_service_roles('medication');
