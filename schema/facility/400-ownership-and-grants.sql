-- From here on facility_owner owns the module.

select core.hand_over('facility', 'facility');

grant select on facility.bed_board to facility_app;
grant select on facility.bed_board to facility_ro;

-- Operations. facility.vacate_beds is not among them: a bed is freed by the service that ends the stay.
grant execute on function
  facility.allocate_bed(uuid, uuid, uuid, text),
  facility.transfer_bed(uuid, uuid, text),
  facility.reserve_bed(uuid, uuid, uuid, timestamptz, text),
  facility.release_reservation(uuid),
  facility.expire_reservations(int),
  facility.finish_cleaning(uuid),
  facility.close_bed(uuid, text, text),
  facility.reopen_bed(uuid)
to facility_app;
