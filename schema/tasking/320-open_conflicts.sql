-- What devices sent and nobody could merge.

create view tasking.open_conflicts with (security_invoker = true) as
select o.tenant_id, o.id, o.op_id, o.node_id, o.user_id, o.entity_type, o.entity_id, o.conflict_fields, o.patch_enc, o.received_at
from tasking.sync_operations o
where
  o.outcome = 'conflict'
  and not exists (
    select from tasking.sync_operations d where d.tenant_id = o.tenant_id and d.resolves_id = o.id
  );

comment on view tasking.open_conflicts is 'about=Conflicts of offline changes that wait for a person: see tasking.resolve_conflict.';
