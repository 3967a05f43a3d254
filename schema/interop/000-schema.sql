-- HL7 v2, EMR connections, mappings.

create schema interop;

comment on schema interop is 'owner=interop;about=HL7 v2, EMR connections, mappings.';

select core.create_service_roles('interop');
