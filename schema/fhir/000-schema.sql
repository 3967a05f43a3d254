-- Terminology and versioned FHIR resources.

create schema fhir;

comment on schema fhir is 'owner=fhir;about=Terminology and versioned FHIR resources.';

select core.create_service_roles('fhir');
