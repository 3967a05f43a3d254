-- Keys from modules that are installed before this one.

alter table scheduling.resource_bookings add constraint resource_bookings_device_fkey
  foreign key (tenant_id, device_id) references device.devices (tenant_id, id);

