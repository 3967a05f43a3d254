-- Defaults of tasks and their verification.

insert into core.system_settings (tenant_id, key, value, value_type, description) values
  (null, 'tasking.node_id', '"server"', 'string', 'Name under which writes of this database count in vector clocks.'),
  (null, 'tasking.verification_attempts', '10', 'int', 'Failed looks into an EMR after which a person decides.')
on conflict (tenant_id, key) do nothing;
