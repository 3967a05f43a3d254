-- interop.endpoints: the interfaces that we send to or listen on. Applications describe them; the state belongs to
-- operations. Secrets are references into a vault, and nothing leaves this machine without TLS.

create table interop.endpoints (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  code text not null,
  kind text not null,
  direction text not null,
  address text not null,
  tls_required boolean not null default true,
  sending_app text,
  sending_facility text,
  receiving_app text,
  receiving_facility text,
  secret_ref text,
  character_set text not null default 'UNICODE UTF-8',
  ack_mode text not null default 'original',
  message_types text[] not null default '{}',
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint endpoints_pkey primary key (tenant_id, id),
  constraint endpoints_code_key unique (tenant_id, code),
  constraint endpoints_kind_check check (
    kind in ('hl7v2_mllp', 'hl7v2_http', 'fhir_rest', 'dicom', 'sftp', 'astm', 'kafka')
  ),
  constraint endpoints_direction_check check (direction in ('in', 'out', 'both')),
  constraint endpoints_ack_mode_check check (ack_mode in ('original', 'enhanced')),
  constraint endpoints_status_check check (status in ('draft', 'active', 'paused', 'retired')),
  constraint endpoints_plain_only_on_this_machine check (tls_required or address ~ '^([a-z0-9+.-]+://)?(127\.|localhost(:|/|$)|\[::1\])'),
  constraint endpoints_address_without_credentials check (address !~ '@'),
  constraint endpoints_secret_is_a_reference check (secret_ref ~ '^(vault|kms|env)://')
);

alter table interop.endpoints add constraint endpoints_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table interop.endpoints is 'class=operational;scope=tenant;owner=interop;fhir=Endpoint;retention=operational;about=Interfaces we send to or listen on.';
comment on column interop.endpoints.code is 'class=operational;about=Short name of the interface, such as LAB-ANALYSER.';
comment on column interop.endpoints.kind is 'class=operational;about=hl7v2_mllp, hl7v2_http, fhir_rest, dicom, sftp, astm or kafka.';
comment on column interop.endpoints.direction is 'class=operational;about=in, out or both.';
comment on column interop.endpoints.address is 'class=operational;about=Host and port, URL or topic, without credentials.';
comment on column interop.endpoints.tls_required is 'class=operational;about=False only on this machine.';
comment on column interop.endpoints.sending_app is 'class=operational;about=MSH-3 that the other side uses.';
comment on column interop.endpoints.sending_facility is 'class=operational;about=MSH-4 that the other side uses.';
comment on column interop.endpoints.receiving_app is 'class=operational;about=MSH-5 that we answer to.';
comment on column interop.endpoints.receiving_facility is 'class=operational;about=MSH-6 that we answer to.';
comment on column interop.endpoints.secret_ref is 'class=operational;about=Where the credentials are: vault://, kms:// or env://, never the secret.';
comment on column interop.endpoints.character_set is 'class=operational;about=MSH-18, such as UNICODE UTF-8.';
comment on column interop.endpoints.ack_mode is 'class=operational;about=original: one answer when the message was processed (AA, AE, AR). enhanced: first an accept answer (CA, CE, CR), later that one.';
comment on column interop.endpoints.message_types is 'class=operational;about=Types that are taken, such as ADT^A01 or ORU; empty takes every type.';
comment on column interop.endpoints.status is 'class=operational;about=draft, active, paused or retired.';
select core.comment_standard_columns('interop.endpoints');

alter table interop.endpoints enable row level security, force row level security;
create policy tenant_isolation on interop.endpoints
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger endpoints_touch before update on interop.endpoints
  for each row execute function core.update_updated_at_column('row_version');
create trigger endpoints_transition before insert or update of status on interop.endpoints
  for each row execute function core.enforce_transition('interop.endpoints', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('interop.endpoints', '', 'draft', false, null),
  ('interop.endpoints', 'draft', 'active', false, null),
  ('interop.endpoints', 'active', 'paused', true, null),
  ('interop.endpoints', 'active', 'retired', true, null),
  ('interop.endpoints', 'paused', 'active', false, null),
  ('interop.endpoints', 'paused', 'retired', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on interop.endpoints to interop_app;
grant insert (
  tenant_id, id, code, kind, direction, address, tls_required, sending_app, sending_facility, receiving_app,
  receiving_facility, secret_ref, character_set, ack_mode, message_types
) on interop.endpoints to interop_app;
grant update (
  address, tls_required, sending_app, sending_facility, receiving_app, receiving_facility, secret_ref, character_set,
  ack_mode, message_types, row_version
) on interop.endpoints to interop_app;
grant select on interop.endpoints to interop_ro;
