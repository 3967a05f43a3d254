-- Payers, PM-JAY cases, NHCX exchange: eligibility, pre-authorisation, claims, settlement.

create schema insurance;

comment on schema insurance is 'owner=billing;about=Payers, PM-JAY cases, NHCX exchange: eligibility, pre-authorisation, claims, settlement.';

select core.create_service_roles('billing');
