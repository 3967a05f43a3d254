-- Tasks, their verification in the EMR, and handover between shifts, also for devices that work offline.

create schema tasking;

comment on schema tasking is 'owner=business;about=Tasks, their verification in an EMR, and handover between shifts; rows carry clocks, so that changes made offline can be merged.';

select core.create_service_roles('business');
