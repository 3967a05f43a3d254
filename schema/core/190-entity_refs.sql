-- core.entity_refs: what this service knows of another service's rows, fed by that service's events.
-- Empty while services share a database: there real foreign keys do the work. attrs holds no health data.

create table core.entity_refs (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  entity_type text not null,
  entity_id uuid not null,
  display text,
  lifecycle text not null default 'active',
  attrs jsonb not null default '{}',
  source_service text not null,
  source_version bigint not null,
  refreshed_at timestamptz not null default now(),
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint entity_refs_pkey primary key (tenant_id, id),
  constraint entity_refs_entity_key unique (tenant_id, entity_type, entity_id),
  constraint entity_refs_lifecycle_known check (lifecycle in ('active', 'inactive', 'deleted'))
);

alter table core.entity_refs add constraint entity_refs_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table core.entity_refs is 'class=operational;scope=tenant;owner=kernel;fhir=none;retention=operational;about=Rows of other services that this one refers to, kept by their events.';
comment on column core.entity_refs.entity_type is 'class=operational;about=Table of the other service, such as patient.patients.';
comment on column core.entity_refs.entity_id is 'class=operational;about=Id of the row there.';
comment on column core.entity_refs.display is 'class=pii;about=Text to show, such as a name.';
comment on column core.entity_refs.lifecycle is 'class=operational;about=active, inactive or deleted.';
comment on column core.entity_refs.attrs is 'class=operational;about=Published attributes, no health data.';
comment on column core.entity_refs.source_service is 'class=operational;about=Service that owns the row.';
comment on column core.entity_refs.source_version is 'class=operational;about=Version of the row there; older events are ignored.';
comment on column core.entity_refs.refreshed_at is 'class=operational;about=When it was last heard of.';

select core.comment_standard_columns('core.entity_refs');

alter table core.entity_refs enable row level security, force row level security;

create policy tenant_isolation on core.entity_refs
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger entity_refs_touch before update on core.entity_refs
  for each row execute function core.update_updated_at_column('row_version');

grant select, insert, update on core.entity_refs to kernel_app;
grant select on core.entity_refs to kernel_ro;
