-- file: 001_tasks.sql
create table task_checks (id bigint primary key, state text not null);
-- file: 002_rename.sql
alter table task_checks rename to task_verifications;
alter table task_verifications rename column state to status;
-- file: 003_index.sql
create index task_verifications_status on task_verifications (status);
