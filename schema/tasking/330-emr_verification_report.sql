-- Reporting on verification in EMRs. A materialized view has no policies, so this one is granted to nobody: its reader is a
-- function that adds the tenant. It is filled tenant by tenant, under the policies of the table; where only signed contexts
-- work, nobody can sign one for each tenant here, and the owner looks past the policies while nobody else is at the table.

create function tasking.active_tenant_ids() returns setof uuid
  language sql
  stable
  security definer -- belongs to imhotep_platform, which alone sees all tenants
  set search_path = pg_catalog, pg_temp
as $$ select t from core.active_tenants() as t $$;

comment on function tasking.active_tenant_ids() is 'about=Ids of all active tenants, for the job that refreshes reports over them; no service may call it.';

create function tasking.verification_facts()
  returns table (
    tenant_id uuid, day date, emr_system core.emr_system, status tasking.verification_status, verifications bigint,
    attempts bigint, minutes_to_verify numeric
  )
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_before text := coalesce(current_setting('app.tenant_id', true), '');
  v_tenant uuid;
begin
  for v_tenant in select * from tasking.active_tenant_ids() loop
    if not core.context_is_signed() then
      perform set_config('app.tenant_id', v_tenant::text, true);
    end if;
    return query
      select
        v.tenant_id, (v.created_at at time zone 'UTC')::date, v.emr_system, v.status, count(*), sum(v.attempts),
        round(avg(extract(epoch from v.verified_at - v.created_at) / 60), 1)
      from tasking.emr_verifications v
      where v.tenant_id = v_tenant
      group by 1, 2, 3, 4;
  end loop;
  if not core.context_is_signed() then
    perform set_config('app.tenant_id', v_before, true);
  end if;
end
$$;

comment on function tasking.verification_facts() is 'about=Verifications per tenant, day (UTC) of their opening, EMR and state.';

create materialized view tasking.emr_verification_report as
select f.tenant_id, f.day, f.emr_system, f.status, f.verifications, f.attempts, f.minutes_to_verify
from tasking.verification_facts() as f
with no data;

create unique index emr_verification_report_key on tasking.emr_verification_report (tenant_id, day, emr_system, status);

comment on materialized view tasking.emr_verification_report is 'about=Verifications per tenant, day, EMR and state, as of the last tasking.refresh_emr_verification_report; read it by tasking.emr_verification_summary.';

create function tasking.refresh_emr_verification_report() returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '2s'
as $$
begin
  if core.context_is_signed() then -- a rollback takes it back
    alter table tasking.emr_verifications no force row level security;
  end if;
  if (select c.relispopulated from pg_class c where c.oid = 'tasking.emr_verification_report'::regclass) then
    refresh materialized view concurrently tasking.emr_verification_report;
  else
    refresh materialized view tasking.emr_verification_report;
  end if;
  if core.context_is_signed() then
    alter table tasking.emr_verifications force row level security;
  end if;
end
$$;

comment on function tasking.refresh_emr_verification_report() is 'about=Job of imhotep_platform: brings the report up to date for all tenants; its readers are not blocked. Where only signed contexts work, verifications wait meanwhile; 55P03 after 2 s behind others, then ask again.';

create function tasking.emr_verification_summary(p_from date, p_to date)
  returns table (
    day date, emr_system core.emr_system, status tasking.verification_status, verifications bigint, attempts bigint,
    minutes_to_verify numeric
  )
  language plpgsql
  stable
  security definer -- the predicate on the tenant is the policy here
  set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select r.day, r.emr_system, r.status, r.verifications, r.attempts, r.minutes_to_verify
    from tasking.emr_verification_report r
    where r.tenant_id = core.require_tenant() and r.day >= p_from and r.day < p_to
    order by r.day, r.emr_system, r.status;
end
$$;

comment on function tasking.emr_verification_summary(date, date) is 'about=The tenant''s verifications per day from p_from to before p_to, EMR and state, with attempts and the mean minutes until they were verified, as of the last refresh. IM003 no tenant.';
