-- core.encryption_keys: registry of wrapped data keys. No plain key is ever in the database; destroying a wrapped key
-- makes everything that it encrypted unreadable (crypto-shredding).

create table core.encryption_keys (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  kid text not null,
  purpose text not null,
  algorithm text not null,
  wrapped_key bytea,
  kms_ref text not null,
  subject_type text,
  subject_id uuid,
  activated_at timestamptz not null default now(),
  rotate_after timestamptz not null,
  destroyed_at timestamptz,
  destroy_reason text,
  status text not null default 'active',
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint encryption_keys_pkey primary key (tenant_id, id),
  constraint encryption_keys_kid_key unique (tenant_id, kid),
  constraint encryption_keys_purpose_known check (purpose in ('field', 'blind_index', 'document', 'token', 'signing')),
  constraint encryption_keys_algorithm_known check (
    algorithm in ('AES-256-GCM', 'HMAC-SHA-256', 'Ed25519', 'X25519')
  ),
  constraint encryption_keys_status_known check (status in ('active', 'retiring', 'retired', 'destroyed')),
  constraint encryption_keys_destroyed_is_gone check (
    (status = 'destroyed') = (wrapped_key is null) and (status = 'destroyed') = (destroyed_at is not null)
  ),
  constraint encryption_keys_destroyed_for_a_reason check (
    status <> 'destroyed' or nullif(btrim(destroy_reason), '') is not null
  )
);

alter table core.encryption_keys add constraint encryption_keys_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

create unique index encryption_keys_active_key
  on core.encryption_keys (tenant_id, purpose, subject_type, subject_id) nulls not distinct where status = 'active';

comment on table core.encryption_keys is 'class=operational;scope=tenant;owner=kernel;fhir=none;retention=operational;about=Registry of wrapped data keys; no plain key is ever stored.';
comment on column core.encryption_keys.kid is 'class=operational;about=Key id that every ciphertext carries.';
comment on column core.encryption_keys.purpose is 'class=operational;about=field, blind_index, document, token or signing.';
comment on column core.encryption_keys.algorithm is 'class=operational;about=AES-256-GCM, HMAC-SHA-256, Ed25519 or X25519.';
comment on column core.encryption_keys.wrapped_key is 'class=operational;about=Data key encrypted by the master key, null once destroyed.';
comment on column core.encryption_keys.kms_ref is 'class=operational;about=Which master key wrapped it.';
comment on column core.encryption_keys.subject_type is 'class=operational;about=Set with subject_id when the key serves one person.';
comment on column core.encryption_keys.subject_id is 'class=operational;about=The person whose data the key protects.';
comment on column core.encryption_keys.activated_at is 'class=operational;about=Since when it encrypts.';
comment on column core.encryption_keys.rotate_after is 'class=operational;about=When a new key should take over.';
comment on column core.encryption_keys.destroyed_at is 'class=operational;about=When the key was destroyed.';
comment on column core.encryption_keys.destroy_reason is 'class=operational;about=Why.';
comment on column core.encryption_keys.status is 'class=operational;about=active, retiring, retired or destroyed.';

select core.comment_standard_columns('core.encryption_keys');

alter table core.encryption_keys enable row level security, force row level security;

create policy tenant_isolation on core.encryption_keys
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger encryption_keys_touch before update on core.encryption_keys
  for each row execute function core.update_updated_at_column();

create trigger encryption_keys_transition before insert or update of status on core.encryption_keys
  for each row execute function core.enforce_transition('core.encryption_keys', 'status');

insert into core.transition_rules (machine, from_state, to_state) values
  ('core.encryption_keys', '', 'active'),
  ('core.encryption_keys', 'active', 'retiring'),
  ('core.encryption_keys', 'active', 'destroyed'),
  ('core.encryption_keys', 'retiring', 'retired'),
  ('core.encryption_keys', 'retired', 'destroyed')
on conflict (machine, from_state, to_state) do nothing;

-- applications make the keys of their people; what becomes of a key is for core.replace_key and its neighbours
grant select, insert on core.encryption_keys to kernel_app;
grant select on core.encryption_keys to kernel_ro;
