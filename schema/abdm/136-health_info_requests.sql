-- abdm.health_info_requests: M3 data-flow session: keys, window, push URL.
-- RULE to build: artefact is granted, unexpired, signature valid and [data_from,data_to] lies inside it (trigger IM711)
-- RULE to build: count within frequency window <= repeats+1 (trigger IM712)

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
  peer_public_key text not null,
  peer_key_expires_at timestamptz,
  peer_nonce text not null,
  own_public_key text,
  own_private_key_enc bytea,
  own_nonce text,
  pages_expected integer,
  pages_received integer not null,
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
  constraint health_info_requests_role_request_key unique (tenant_id, role, request_id),
  constraint health_info_requests_role_check check (role in ('HIP', 'HIU')),
  constraint health_info_requests_session_status_check check (
    session_status in ('ACKNOWLEDGED', 'TRANSFERRED', 'FAILED', 'PARTIAL')
  ),
  constraint health_info_requests_status_check check (
    status in ('received', 'acknowledged', 'rejected', 'transferring', 'failed', 'transferred', 'partial', 'notified')
  ),
  constraint health_info_requests_own_private_key_enc_rule check (
    own_private_key_enc is null or status not in ('notified', 'rejected')
  ),
  constraint health_info_requests_data_push_url_rule check (data_push_url ~ '^https://')
);

alter table abdm.health_info_requests add constraint health_info_requests_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table abdm.health_info_requests add constraint health_info_requests_artefact_row_fkey
  foreign key (tenant_id, artefact_row_id) references abdm.consent_artefacts (tenant_id, id);

create unique index health_info_requests_role_transaction_key on abdm.health_info_requests (tenant_id, role, transaction_id)
  where transaction_id is not null;
create index health_info_requests_artefact_row_idx on abdm.health_info_requests (tenant_id, artefact_row_id);

comment on table abdm.health_info_requests is 'class=phi;scope=tenant;owner=fhir;fhir=Task;retention=medical_record;about=M3 data-flow session: keys, window, push URL.';
comment on column abdm.health_info_requests.role is 'class=phi;about=?';
comment on column abdm.health_info_requests.request_id is 'class=phi;about=?';
comment on column abdm.health_info_requests.transaction_id is 'class=phi;about=?';
comment on column abdm.health_info_requests.artefact_row_id is 'class=phi;about=?';
comment on column abdm.health_info_requests.data_from is 'class=phi;about=?';
comment on column abdm.health_info_requests.data_to is 'class=phi;about=?';
comment on column abdm.health_info_requests.data_push_url is 'class=phi;about=?';
comment on column abdm.health_info_requests.crypto_alg is 'class=phi;about=?';
comment on column abdm.health_info_requests.curve is 'class=phi;about=?';
comment on column abdm.health_info_requests.peer_public_key is 'class=phi;about=?';
comment on column abdm.health_info_requests.peer_key_expires_at is 'class=phi;about=?';
comment on column abdm.health_info_requests.peer_nonce is 'class=phi;about=?';
comment on column abdm.health_info_requests.own_public_key is 'class=phi;about=?';
comment on column abdm.health_info_requests.own_private_key_enc is 'class=phi;enc=1;about=?';
comment on column abdm.health_info_requests.own_nonce is 'class=phi;about=?';
comment on column abdm.health_info_requests.pages_expected is 'class=phi;about=?';
comment on column abdm.health_info_requests.pages_received is 'class=phi;about=?';
comment on column abdm.health_info_requests.session_status is 'class=phi;about=?';
comment on column abdm.health_info_requests.notified_at is 'class=phi;about=?';
comment on column abdm.health_info_requests.error_code is 'class=phi;about=?';
comment on column abdm.health_info_requests.status is 'class=phi;about=?';
select core.comment_standard_columns('abdm.health_info_requests');

alter table abdm.health_info_requests enable row level security;
alter table abdm.health_info_requests force row level security;
create policy tenant_isolation on abdm.health_info_requests
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger health_info_requests_touch before update on abdm.health_info_requests
  for each row execute function core.update_updated_at_column('row_version');
create trigger health_info_requests_transition before insert or update of status on abdm.health_info_requests
  for each row execute function core.enforce_transition('abdm.health_info_requests', 'status');
select audit.track('abdm.health_info_requests');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('abdm.health_info_requests', '', 'received', false, null),
  ('abdm.health_info_requests', 'received', 'acknowledged', false, null),
  ('abdm.health_info_requests', 'received', 'rejected', false, null),
  ('abdm.health_info_requests', 'acknowledged', 'transferring', false, null),
  ('abdm.health_info_requests', 'acknowledged', 'failed', false, null),
  ('abdm.health_info_requests', 'transferring', 'transferred', false, null),
  ('abdm.health_info_requests', 'transferring', 'failed', false, null),
  ('abdm.health_info_requests', 'transferring', 'partial', false, null),
  ('abdm.health_info_requests', 'partial', 'transferring', false, null),
  ('abdm.health_info_requests', 'partial', 'failed', false, null),
  ('abdm.health_info_requests', 'transferred', 'notified', false, null),
  ('abdm.health_info_requests', 'failed', 'notified', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on abdm.health_info_requests to fhir_app;
grant select on abdm.health_info_requests to fhir_ro;
