-- laboratory.lab_panel_members: the tests of a panel, in print order. Panels hold tests, never panels (trigger).

create table laboratory.lab_panel_members (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  panel_id uuid not null,
  test_id uuid not null,
  seq smallint not null,
  required boolean not null default false,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint lab_panel_members_pkey primary key (id),
  constraint lab_panel_members_panel_test_key unique nulls not distinct (tenant_id, panel_id, test_id),
  constraint lab_panel_members_not_itself check (panel_id <> test_id)
);

alter table laboratory.lab_panel_members add constraint lab_panel_members_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table laboratory.lab_panel_members add constraint lab_panel_members_panel_fkey
  foreign key (panel_id) references laboratory.lab_tests (id) on delete cascade;
alter table laboratory.lab_panel_members add constraint lab_panel_members_test_fkey
  foreign key (test_id) references laboratory.lab_tests (id);

create index lab_panel_members_panel_idx on laboratory.lab_panel_members (panel_id, tenant_id);
comment on index laboratory.lab_panel_members_panel_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index lab_panel_members_test_idx on laboratory.lab_panel_members (test_id, tenant_id);
comment on index laboratory.lab_panel_members_test_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table laboratory.lab_panel_members is 'class=reference;scope=shared;owner=lab;fhir=ActivityDefinition;retention=reference;about=Tests of a panel in print order.';
comment on column laboratory.lab_panel_members.panel_id is 'class=reference;about=The panel.';
comment on column laboratory.lab_panel_members.test_id is 'class=reference;about=A test of it.';
comment on column laboratory.lab_panel_members.seq is 'class=reference;about=Place on the report.';
comment on column laboratory.lab_panel_members.required is 'class=reference;about=Whether the panel is incomplete without the test.';
select core.comment_standard_columns('laboratory.lab_panel_members');

alter table laboratory.lab_panel_members enable row level security, force row level security;
create policy tenant_isolation on laboratory.lab_panel_members
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on laboratory.lab_panel_members for select using (tenant_id is null);

create trigger lab_panel_members_touch before update on laboratory.lab_panel_members
  for each row execute function core.update_updated_at_column();
create trigger lab_panel_members_kinds before insert or update of panel_id, test_id on laboratory.lab_panel_members
  for each row execute function laboratory.check_panel_member();
create trigger lab_panel_members_panel_visible before insert or update of panel_id on laboratory.lab_panel_members
  for each row execute function core.check_shared_reference('panel_id', 'laboratory.lab_tests');
create trigger lab_panel_members_test_visible before insert or update of test_id on laboratory.lab_panel_members
  for each row execute function core.check_shared_reference('test_id', 'laboratory.lab_tests');

grant select, insert, update, delete on laboratory.lab_panel_members to lab_app;
grant select on laboratory.lab_panel_members to lab_ro;
