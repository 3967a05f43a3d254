-- Enumerated types of the kernel. Every other closed list is text with a CHECK, so that a value can be withdrawn.

create type core.emr_system as enum ('EPIC', 'CERNER', 'GENERIC_FHIR', 'INTERNAL');

comment on type core.emr_system is 'about=The electronic medical record that a row came from or is verified against.';
