-- Privacy law, consent, retention, incidents and evidence.

create schema compliance;

comment on schema compliance is 'owner=business;about=Privacy law, consent, retention, incidents and evidence.';

select core.create_service_roles('business');
