-- Keys from modules that are installed before this one.

alter table facility.bed_allocations add constraint bed_allocations_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table scheduling.appointments add constraint appointments_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table scheduling.resource_bookings add constraint resource_bookings_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table scheduling.resource_bookings add constraint resource_bookings_procedure_fkey
  foreign key (tenant_id, procedure_id) references clinical.procedures (tenant_id, id);
alter table scheduling.telemedicine_sessions add constraint telemedicine_sessions_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);

create index resource_bookings_procedure_idx on scheduling.resource_bookings (tenant_id, procedure_id) where procedure_id is not null;
create index telemedicine_sessions_encounter_idx on scheduling.telemedicine_sessions (tenant_id, encounter_id) where encounter_id is not null;
