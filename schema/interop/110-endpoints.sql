-- interop.endpoints: Interfaces we send to or listen on.

create table interop.endpoints (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  code text not null,
  kind text not null,
  direction text not null,
  address text not null,
  tls_required boolean not null default false,
  sending_app text,
  sending_facility text,
  receiving_app text,
  receiving_facility text,
  secret_ref text,
  character_set text not null,
  ack_mode text not null,
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
  constraint endpoints_tls_required_rule check (tls_required or address ~ '^(127\.|localhost|\[::1\])'),
  constraint endpoints_secret_ref_rule check (secret_ref ~ '^(vault|kms|env)://')
);

alter table interop.endpoints add constraint endpoints_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table interop.endpoints is 'class=operational;scope=tenant;owner=interop;fhir=Endpoint;retention=operational;about=Interfaces we send to or listen on.';
comment on column interop.endpoints.code is 'class=operational;about=?';
comment on column interop.endpoints.kind is 'class=operational;about=?';
comment on column interop.endpoints.direction is 'class=operational;about=?';
comment on column interop.endpoints.address is 'class=operational;about=?';
comment on column interop.endpoints.tls_required is 'class=operational;about=?';
comment on column interop.endpoints.sending_app is 'class=operational;about=?';
comment on column interop.endpoints.sending_facility is 'class=operational;about=?';
comment on column interop.endpoints.receiving_app is 'class=operational;about=?';
comment on column interop.endpoints.receiving_facility is 'class=operational;about=?';
comment on column interop.endpoints.secret_ref is 'class=operational;about=?';
comment on column interop.endpoints.character_set is 'class=operational;about=?';
comment on column interop.endpoints.ack_mode is 'class=operational;about=?';
comment on column interop.endpoints.message_types is 'class=operational;about=?';
comment on column interop.endpoints.status is 'class=operational;about=?';
select core.comment_standard_columns('interop.endpoints');

alter table interop.endpoints enable row level security;
alter table interop.endpoints force row level security;
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
  ('interop.endpoints', 'active', 'paused', false, null),
  ('interop.endpoints', 'active', 'retired', false, null),
  ('interop.endpoints', 'paused', 'active', false, null),
  ('interop.endpoints', 'paused', 'retired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on interop.endpoints to interop_app;
grant select on interop.endpoints to interop_ro;
