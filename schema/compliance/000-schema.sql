-- What privacy and quality law asks for: consent, the rights of a person, breaches, retention and erasure, incidents, and
-- the evidence that all of it is kept.

create schema compliance;

comment on schema compliance is 'owner=business;about=Consent, rights of persons, breaches, retention and erasure, incidents, and evidence of checks.';

select core.create_service_roles('business');
