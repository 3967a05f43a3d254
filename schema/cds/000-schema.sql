-- Clinical decision support: rules, knowledge, alerts, overrides.

create schema cds;

comment on schema cds is 'owner=cds;about=Clinical decision support: rules, knowledge, alerts, overrides.';

select core.create_service_roles('cds');
