-- Charges, invoices, allocations, double-entry ledger.

create schema billing;

comment on schema billing is 'owner=billing;about=Charges, invoices, allocations, double-entry ledger.';

select core.create_service_roles('billing');
