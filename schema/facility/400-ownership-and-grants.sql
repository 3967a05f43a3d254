-- From here on facility_owner owns the module.

select core.hand_over('facility', 'facility');

grant select on facility.bed_board to facility_app;
grant select on facility.bed_board to facility_ro;
