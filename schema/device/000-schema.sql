-- Medical devices and telemetry (time series).

create schema device;

comment on schema device is 'owner=device;about=Medical devices and telemetry (time series).';

select core.create_service_roles('device');
