-- Donor to recipient, vein to vein.

create schema blood_bank;

comment on schema blood_bank is 'owner=lab;about=Donor to recipient, vein to vein.';

select core.create_service_roles('lab');
