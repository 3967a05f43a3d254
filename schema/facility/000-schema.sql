-- Where care happens: clinics, their departments, places and beds.

create schema facility;

comment on schema facility is 'owner=facility;about=Sites, departments, physical places and beds.';

select core.create_service_roles('facility');
