-- device_owner owns the module.

select core.hand_over('device', 'device');

select core.ensure_partitions('device.telemetry', 'day', 7);
