-- Enumerated types of the module. Enum equality is not leakproof, so row level security keeps it away from ordinary
-- indexes: every list by status has a partial index over the live states instead.

create type clinical.encounter_class as enum (
  'AMB', 'EMER', 'IMP', 'OBSENC', 'HH', 'VR', 'SS'
);

comment on type clinical.encounter_class is 'about=Kind of contact by HL7 ActCode: AMB outpatient, EMER emergency, IMP inpatient, OBSENC observation, HH home, VR virtual, SS short stay.';
