-- abdm.health_info_requests: a session of data flow under a consent artefact, on either side: the period asked for, the keys,
-- how far it got. A session is acknowledged only while its artefact allows it (trigger abdm.check_session): granted, before
-- dataEraseAt, inside the window, as often as the frequency says, with contexts and HI types that the artefact lists.
-- The private key is gone when the session has ended.

create table abdm.health_info_requests (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  role text not null,
  request_id uuid not null,
  transaction_id uuid,
  artefact_row_id uuid not null,
  data_from timestamptz not null,
  data_to timestamptz not null,
  data_push_url text not null,
  crypto_alg text not null,
  curve text not null,
  peer_public_key text,
  peer_key_expires_at timestamptz,
  peer_nonce text,
  own_public_key text,
  own_private_key_enc bytea,
  own_nonce text,
  authorised_at timestamptz,
  care_context_references text[] not null default '{}',
  pages_expected integer,
  pages_received integer not null default 0,
  session_status text,
  notified_at timestamptz,
  error_code text,
  status text not null default 'received',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint health_info_requests_pkey primary key (tenant_id, id),
  constraint health_info_requests_request_key unique (tenant_id, role, request_id),
  constraint health_info_requests_role_known check (role in ('HIP', 'HIU')),
  constraint health_info_requests_session_status_known check (
    session_status in ('ACKNOWLEDGED', 'TRANSFERRED', 'FAILED', 'PARTIAL')
  ),
  constraint health_info_requests_status_known check (
    status in (
      'received', 'acknowledged', 'rejected', 'transferring', 'failed', 'transferred', 'partial', 'notified'
    )
  ),
  constraint health_info_requests_window_has_length check (data_from < data_to),
  constraint health_info_requests_push_to_https check (data_push_url ~ '^https://[^ ]+$'),
  constraint health_info_requests_pages_not_negative check (pages_expected >= 0 and pages_received >= 0),
  constraint health_info_requests_peer_key_known_by_hip check (
    role <> 'HIP' or num_nonnulls(peer_public_key, peer_nonce) = 2
  ),
  constraint health_info_requests_authorised_before_transfer check (
    status not in ('acknowledged', 'transferring', 'transferred', 'partial')
    or (authorised_at is not null and cardinality(care_context_references) > 0)
  ),
  constraint health_info_requests_notified_has_time check (status <> 'notified' or notified_at is not null),
  constraint health_info_requests_no_key_after_the_end check (
    own_private_key_enc is null or status in ('received', 'acknowledged', 'transferring', 'partial')
  )
);

alter table abdm.health_info_requests add constraint health_info_requests_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table abdm.health_info_requests add constraint health_info_requests_artefact_row_fkey
  foreign key (tenant_id, artefact_row_id) references abdm.consent_artefacts (tenant_id, id);

create unique index health_info_requests_transaction_key on abdm.health_info_requests (tenant_id, role, transaction_id)
  where transaction_id is not null;
create index health_info_requests_artefact_row_idx
  on abdm.health_info_requests (tenant_id, artefact_row_id, authorised_at);

comment on table abdm.health_info_requests is 'class=phi;scope=tenant;owner=fhir;fhir=Task;retention=medical_record;about=A session of data flow under a consent artefact.';
comment on column abdm.health_info_requests.role is 'class=operational;about=Our side: HIP (we send) or HIU (we receive).';
comment on column abdm.health_info_requests.request_id is 'class=operational;about=REQUEST-ID of the request for data; the same one again is the same session.';
comment on column abdm.health_info_requests.transaction_id is 'class=operational;about=ABDM''s transactionId of the session.';
comment on column abdm.health_info_requests.artefact_row_id is 'class=operational;about=The artefact that allows it.';
comment on column abdm.health_info_requests.data_from is 'class=operational;about=Beginning of the period of records that is asked for.';
comment on column abdm.health_info_requests.data_to is 'class=operational;about=End of that period.';
comment on column abdm.health_info_requests.data_push_url is 'class=operational;about=Where the encrypted data go.';
comment on column abdm.health_info_requests.crypto_alg is 'class=operational;about=Key agreement, such as ECDH.';
comment on column abdm.health_info_requests.curve is 'class=operational;about=Curve of the keys, such as Curve25519.';
comment on column abdm.health_info_requests.peer_public_key is 'class=operational;about=Public key of the other side.';
comment on column abdm.health_info_requests.peer_key_expires_at is 'class=operational;about=Until when that key may be used.';
comment on column abdm.health_info_requests.peer_nonce is 'class=operational;about=Nonce of the other side.';
comment on column abdm.health_info_requests.own_public_key is 'class=operational;about=Our public key of this session.';
comment on column abdm.health_info_requests.own_private_key_enc is 'class=operational;enc=1;about=Our private key of this session, encrypted. Gone when the session has ended.';
comment on column abdm.health_info_requests.own_nonce is 'class=operational;about=Our nonce.';
comment on column abdm.health_info_requests.authorised_at is 'class=operational;about=When the artefact was found to allow it; this is what the frequency counts.';
comment on column abdm.health_info_requests.care_context_references is 'class=phi;about=The contexts that may move in this session.';
comment on column abdm.health_info_requests.pages_expected is 'class=operational;about=How many pages the sender announced.';
comment on column abdm.health_info_requests.pages_received is 'class=operational;about=How many pages were recorded, sent or received.';
comment on column abdm.health_info_requests.session_status is 'class=operational;about=What the consent manager was told: ACKNOWLEDGED, TRANSFERRED, FAILED or PARTIAL.';
comment on column abdm.health_info_requests.notified_at is 'class=operational;about=When it was told how the session ended.';
comment on column abdm.health_info_requests.error_code is 'class=operational;about=Why it was rejected or failed: a code of ours (IM7xx) or of ABDM.';
comment on column abdm.health_info_requests.status is 'class=operational;about=received, acknowledged, transferring, partial, transferred, failed, rejected or notified.';
select core.comment_standard_columns('abdm.health_info_requests');

alter table abdm.health_info_requests enable row level security, force row level security;
create policy tenant_isolation on abdm.health_info_requests
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger health_info_requests_allowed before update of status on abdm.health_info_requests
  for each row when (new.status = 'acknowledged' and old.status <> 'acknowledged')
  execute function abdm.check_session();
create trigger health_info_requests_touch before update on abdm.health_info_requests
  for each row execute function core.update_updated_at_column('row_version');
create trigger health_info_requests_transition before insert or update of status on abdm.health_info_requests
  for each row execute function core.enforce_transition('abdm.health_info_requests', 'status');
select audit.track('abdm.health_info_requests');

insert into core.transition_rules (machine, from_state, to_state, guard, requires_reason, emits_event) values
  ('abdm.health_info_requests', '', 'received', null, false, null),
  ('abdm.health_info_requests', 'received', 'acknowledged', 'abdm.check_session: IM710-IM715', false, null),
  ('abdm.health_info_requests', 'received', 'rejected', null, false, null),
  ('abdm.health_info_requests', 'acknowledged', 'transferring', null, false, null),
  ('abdm.health_info_requests', 'acknowledged', 'failed', null, false, null),
  ('abdm.health_info_requests', 'transferring', 'transferred', null, false, null),
  ('abdm.health_info_requests', 'transferring', 'failed', null, false, null),
  ('abdm.health_info_requests', 'transferring', 'partial', null, false, null),
  ('abdm.health_info_requests', 'partial', 'transferring', null, false, null),
  ('abdm.health_info_requests', 'partial', 'failed', null, false, null),
  ('abdm.health_info_requests', 'transferred', 'notified', null, false, null),
  ('abdm.health_info_requests', 'failed', 'notified', null, false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on abdm.health_info_requests to fhir_app;
grant select on abdm.health_info_requests to fhir_ro;
