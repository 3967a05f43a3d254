-- Ayushman Bharat Digital Mission: M1 ABHA, M2 care contexts, M3 consented exchange.

create schema abdm;

comment on schema abdm is 'owner=fhir;about=Ayushman Bharat Digital Mission: M1 ABHA, M2 care contexts, M3 consented exchange.';

select core.create_service_roles('fhir');
