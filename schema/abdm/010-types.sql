-- Enumerated types of the module. HI types are no enum: they are a value set (urn:abdm:hi-types), because NHA adds to them.

create type abdm.consent_status as enum ('received', 'granted', 'invalid', 'revoked', 'expired');

comment on type abdm.consent_status is 'about=Life of a consent artefact: received, granted (its signature was checked), invalid (its signature is wrong), revoked by the patient, expired.';
