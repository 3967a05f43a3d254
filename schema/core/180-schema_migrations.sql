-- core.schema_migrations: what was applied to this database. The migration runner makes this very table before it
-- applies the first file, so the definition here and in the runner must stay the same (a test compares them).

create table core.schema_migrations (
  version text not null,
  name text not null,
  kind text not null,
  file text not null,
  checksum bytea not null,
  normalized bytea,
  chain bytea not null,
  body text not null,
  applied_by text not null default current_user,
  applied_at timestamptz not null default now(),
  duration_ms integer not null,
  success boolean not null,
  statements_done integer not null default 0,
  tool_version text not null,
  constraint schema_migrations_pkey primary key (version),
  constraint schema_migrations_kind_check check (kind in ('baseline', 'versioned', 'repeatable', 'seed'))
);

comment on table core.schema_migrations is 'class=operational;scope=global;owner=kernel;fhir=none;retention=operational;about=Migrations and seeds that were applied to this database.';
comment on column core.schema_migrations.version is 'class=operational;about=Identity of the migration; the file name is not.';
comment on column core.schema_migrations.name is 'class=operational;about=Description taken from the file name.';
comment on column core.schema_migrations.kind is 'class=operational;about=baseline, versioned, repeatable or seed.';
comment on column core.schema_migrations.file is 'class=operational;about=File name at the time.';
comment on column core.schema_migrations.checksum is 'class=operational;about=SHA-256 of the exact bytes.';
comment on column core.schema_migrations.normalized is 'class=operational;about=SHA-256 of the parse tree: comments and white space do not count.';
comment on column core.schema_migrations.chain is 'class=operational;about=SHA-256 over the previous chain value and this checksum.';
comment on column core.schema_migrations.body is 'class=operational;about=The text as applied, so that an edited file can be compared.';
comment on column core.schema_migrations.applied_by is 'class=operational;about=Database role that applied it.';
comment on column core.schema_migrations.applied_at is 'class=operational;about=When.';
comment on column core.schema_migrations.duration_ms is 'class=operational;about=Milliseconds that it took.';
comment on column core.schema_migrations.success is 'class=operational;about=False while a file without a transaction is half done.';
comment on column core.schema_migrations.statements_done is 'class=operational;about=Where a file without a transaction resumes.';
comment on column core.schema_migrations.tool_version is 'class=operational;about=Version of the tool that applied it.';

grant select on core.schema_migrations to kernel_ro;
