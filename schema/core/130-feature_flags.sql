-- core.feature_flags: feature switches with roll-out rules; a tenant's row overrides the shared one.

create table core.feature_flags (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  key text not null,
  enabled boolean not null default false,
  rollout_pct smallint not null default 100,
  rules jsonb not null default '{}',
  expires_on date,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint feature_flags_pkey primary key (id),
  constraint feature_flags_key_key unique nulls not distinct (tenant_id, key),
  constraint feature_flags_key_form check (key ~ '^[a-z0-9_.]+$'),
  constraint feature_flags_rollout_percent check (rollout_pct between 0 and 100)
);

alter table core.feature_flags add constraint feature_flags_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table core.feature_flags is 'class=operational;scope=shared;owner=kernel;fhir=none;retention=operational;about=Feature switches; the row of a tenant overrides the shared row.';
comment on column core.feature_flags.key is 'class=operational;about=Dotted name of the feature.';
comment on column core.feature_flags.enabled is 'class=operational;about=Whether the feature is on at all.';
comment on column core.feature_flags.rollout_pct is 'class=operational;about=Share of users, in per cent, that see it.';
comment on column core.feature_flags.rules is 'class=operational;about=Further conditions as JSON: roles, clinics.';
comment on column core.feature_flags.expires_on is 'class=operational;about=When the flag should be gone from the code.';

select core.comment_standard_columns('core.feature_flags');

alter table core.feature_flags enable row level security, force row level security;

create policy tenant_isolation on core.feature_flags
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create policy shared_rows on core.feature_flags for select using (tenant_id is null);

create trigger feature_flags_touch before update on core.feature_flags
  for each row execute function core.update_updated_at_column('row_version');

grant select, insert, update, delete on core.feature_flags to kernel_app;
grant select on core.feature_flags to kernel_ro;
