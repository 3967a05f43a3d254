-- Encounters and everything observed, decided and done for a patient.

create schema clinical;

comment on schema clinical is 'owner=clinical;about=Encounters and everything observed, decided and done for a patient.';

select core.create_service_roles('clinical');
