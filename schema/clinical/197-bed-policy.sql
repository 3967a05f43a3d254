-- Rules of this module on the beds of the facility.

create trigger bed_allocations_policy before insert or update of bed_id, encounter_id, patient_id, status
  on facility.bed_allocations
  for each row when (new.status in ('reserved', 'active')) execute function clinical.check_bed_policy();
create trigger bed_allocations_announce_transfer after insert or update of status on facility.bed_allocations
  for each row when (new.transfer_from_id is not null and new.status = 'active')
  execute function clinical.announce_transfer();
