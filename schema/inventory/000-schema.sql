-- Items, batches, stock ledger, purchasing; FEFO.

create schema inventory;

comment on schema inventory is 'owner=inventory;about=Items, batches, stock ledger, purchasing; FEFO.';

select core.create_service_roles('inventory');
