-- file: 001_tasks.sql
create table task_checks (id bigint primary key, state text not null);
-- file: 002_rename.sql
alter table task_checks rename to task_verifications;
-- file: 003_index.sql
create index task_checks_state on task_checks (state); -- here
-- file: 004_key.sql
alter table task_verifications rename constraint task_checks_pkey to task_verifications_pkey;
alter table task_verifications drop constraint task_checks_pkey; -- here
