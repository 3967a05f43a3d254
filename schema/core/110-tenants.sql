-- core.tenants: one row per customer organisation; the root of isolation.
-- An application sees the row of its own tenant only; imhotep_platform, which makes tenants, sees all. Rows are never
-- deleted. A demo tenant (code demo...) cannot exist on a production database: without it no demo data can either.

create table core.tenants (
  id uuid not null default core.uuid_v7(),
  code text not null,
  name text not null,
  kind text not null,
  country char(2) not null,
  timezone text not null,
  locale text not null default 'en',
  currency char(3) not null,
  data_region text not null default 'default',
  parent_tenant_id uuid,
  settings_version integer not null default 1,
  status text not null default 'provisioning',
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint tenants_pkey primary key (id),
  constraint tenants_code_key unique (code),
  constraint tenants_code_form check (code ~ '^[a-z][a-z0-9_-]{1,30}$'),
  constraint tenants_kind_known check (kind in ('hospital_group', 'hospital', 'clinic', 'diagnostic_lab', 'government')),
  constraint tenants_country_form check (country ~ '^[A-Z]{2}$'),
  constraint tenants_currency_form check (currency ~ '^[A-Z]{3}$'),
  constraint tenants_status_known check (status in ('provisioning', 'active', 'suspended', 'closing', 'closed')),
  constraint tenants_not_own_parent check (parent_tenant_id <> id)
);

alter table core.tenants add constraint tenants_parent_tenant_fkey
  foreign key (parent_tenant_id) references core.tenants (id);

create index tenants_parent_tenant_idx on core.tenants (parent_tenant_id);

comment on table core.tenants is 'class=operational;scope=root;owner=kernel;fhir=Organization;retention=operational;about=One customer organisation; the root of isolation.';
comment on column core.tenants.code is 'class=operational;about=Short name in lower case, unique on the server.';
comment on column core.tenants.name is 'class=operational;about=Name as people write it.';
comment on column core.tenants.kind is 'class=operational;about=hospital_group, hospital, clinic, diagnostic_lab or government.';
comment on column core.tenants.country is 'class=operational;about=ISO 3166-1 alpha-2; country packs of checks follow it.';
comment on column core.tenants.timezone is 'class=operational;about=IANA time zone that days and opening hours are counted in.';
comment on column core.tenants.locale is 'class=operational;about=Default language of messages.';
comment on column core.tenants.currency is 'class=operational;about=ISO 4217 code of the tenant''s money.';
comment on column core.tenants.data_region is 'class=operational;about=Where the data may be kept.';
comment on column core.tenants.parent_tenant_id is 'class=operational;about=Group that the tenant belongs to.';
comment on column core.tenants.settings_version is 'class=operational;about=Counted up when settings change, so that caches notice.';
comment on column core.tenants.status is 'class=operational;about=provisioning, active, suspended, closing or closed.';

select core.comment_standard_columns('core.tenants');

alter table core.tenants enable row level security, force row level security;

create policy tenant_isolation on core.tenants
  using (id = (select core.current_tenant_id()))
  with check (id = (select core.current_tenant_id()));

create policy platform on core.tenants to imhotep_platform using (true) with check (true);

create function core.check_tenant() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not core.valid_timezone(new.timezone) then
    raise exception 'time zone "%" is unknown', new.timezone
      using errcode = '22023', hint = 'use an IANA name such as Asia/Kolkata';
  end if;
  if new.code ~ '^demo' then
    perform core.assert_not_production();
  end if;
  return new;
end
$$;

comment on function core.check_tenant() is 'about=Before insert or update: the time zone must be known, and demo tenants are refused on production.';

create trigger tenants_check before insert or update of code, timezone on core.tenants
  for each row execute function core.check_tenant();

create trigger tenants_touch before update on core.tenants
  for each row execute function core.update_updated_at_column();

create trigger tenants_transition before insert or update of status on core.tenants
  for each row execute function core.enforce_transition('core.tenants', 'status');

insert into core.transition_rules (machine, from_state, to_state) values
  ('core.tenants', '', 'provisioning'),
  ('core.tenants', 'provisioning', 'active'),
  ('core.tenants', 'provisioning', 'closed'),
  ('core.tenants', 'active', 'suspended'),
  ('core.tenants', 'active', 'closing'),
  ('core.tenants', 'suspended', 'active'),
  ('core.tenants', 'suspended', 'closing'),
  ('core.tenants', 'closing', 'closed')
on conflict (machine, from_state, to_state) do nothing;

grant select on core.tenants to kernel_app, kernel_ro;
grant select, insert, update on core.tenants to imhotep_platform;
