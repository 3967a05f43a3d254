-- audit.compliance_daily: the audit log counted by day, action and role, kept like audit.metrics_hourly; view
-- audit_compliance_daily adds what is not sealed yet.

create table audit.compliance_daily (
  tenant_id uuid not null,
  bucket date not null,
  action text not null,
  actor_role text not null,
  events bigint not null,
  without_actor bigint not null,
  without_purpose bigint not null,
  constraint compliance_daily_pkey primary key (tenant_id, bucket, action, actor_role)
);

alter table audit.compliance_daily add constraint compliance_daily_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table audit.compliance_daily is 'class=operational;scope=tenant;owner=kernel;fhir=none;retention=audit_7y;about=Sealed audit events per day, action and role, with those that name no actor or purpose.';
comment on column audit.compliance_daily.tenant_id is 'class=operational;about=The tenant that the row belongs to.';
comment on column audit.compliance_daily.bucket is 'class=operational;about=The day, in UTC.';
comment on column audit.compliance_daily.action is 'class=operational;about=What was done.';
comment on column audit.compliance_daily.actor_role is 'class=operational;about=Hospital role, empty for a system task.';
comment on column audit.compliance_daily.events is 'class=operational;about=How many.';
comment on column audit.compliance_daily.without_actor is 'class=operational;about=How many of them name no user.';
comment on column audit.compliance_daily.without_purpose is 'class=operational;about=How many of them name no purpose of use.';

alter table audit.compliance_daily enable row level security, force row level security;

create policy tenant_isolation on audit.compliance_daily
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

grant select on audit.compliance_daily to audit_reader;
