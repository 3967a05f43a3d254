-- Defaults of the interfaces, and templates of mapping rules that a tenant copies. The field names are HL7 v2's own;
-- the messages are made up.

insert into core.system_settings (tenant_id, key, value, value_type, description) values
  (null, 'interop.control_id_days', '90', 'int', 'Days in which a sender may not use a control id again.'),
  (null, 'interop.max_attempts', '8', 'int', 'Attempts after which a message is dead.'),
  (null, 'interop.circuit_failures', '5', 'int', 'Failures in a row that open the circuit of a connection.')
on conflict (tenant_id, key) do nothing;

insert into interop.mapping_rules (
  tenant_id, id, message_type, trigger_event, target_table, mapping, code_map, test_messages
)
values
  (
    null, '00000000-0e00-7000-8000-000000000001', 'ADT', null, 'patient.patients',
    '{"mrn": "PID-3", "family_name": "PID-5.1", "given_name": "PID-5.2", "birth_date": "PID-7", "sex": "PID-8"}',
    '{"sex": {"M": "male", "F": "female", "O": "other", "U": "unknown"}}',
    '[{"message": {"PID-3": "X-1", "PID-5.1": "Test", "PID-5.2": "One", "PID-7": "19800101", "PID-8": "F"},
       "expect": {"mrn": "X-1", "given_name": "One", "sex": "female"}}]'
  ),
  (
    null, '00000000-0e00-7000-8000-000000000002', 'ORU', 'R01', 'laboratory.lab_results',
    '{"test_code": "OBX-3.1", "value_text": "OBX-5", "unit": "OBX-6", "flag": "OBX-8", "source": {"value": "analyser"}}',
    '{"flag": {"N": "normal", "H": "high", "L": "low", "HH": "critical_high", "LL": "critical_low"}}',
    '[{"message": {"OBX-3.1": "HB", "OBX-5": "13.2", "OBX-6": "g/dL", "OBX-8": "N"},
       "expect": {"test_code": "HB", "value_text": "13.2", "flag": "normal", "source": "analyser"}}]'
  )
on conflict (id) do nothing;
