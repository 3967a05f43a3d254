-- Task verification against EMRs and shift handover, offline-first (CRDT).

create schema tasking;

comment on schema tasking is 'owner=business;about=Task verification against EMRs and shift handover, offline-first (CRDT).';

select core.create_service_roles('business');
