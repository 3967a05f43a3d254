-- The kernel's schema and what it needs of the server. Both extensions are trusted: no superuser is needed to create them.

create extension if not exists pgcrypto with schema public;

create extension if not exists btree_gist with schema public;

create schema core;

comment on schema core is 'owner=kernel;about=Kernel installed in every service database: tenancy, context, numbers, idempotency, outbox, settings, state machines.';
