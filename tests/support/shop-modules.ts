import { fixtureModule } from './fixture-module.ts'

/** Two modules that use every kind of statement that the bundler knows; for tests only. */
export const shopModules = [
  fixtureModule('shop', ['base'], {
    '000-schema.sql': `create schema shop; -- goods and orders
comment on schema shop is 'about=Goods; orders.';`,
    '010-types.sql': `create type shop.state as enum ('new', 'paid');
create domain shop.amount as numeric(12,2) constraint amount_sign check (value >= 0);
create type shop.span as range (subtype = date);
create type shop.pair as (a int, b text);
create sequence shop.numbers;`,
    '100-orders.sql': `-- Orders; a $$ in a comment.
create table shop.orders (
  tenant_id uuid not null,
  id bigint generated always as identity,
  state shop.state not null default 'new',
  total shop.amount,
  note text check (note <> ';'),
  constraint orders_pkey primary key (tenant_id, id)
);

alter table shop.orders add column code text;
alter table shop.orders add constraint orders_code_form check (code ~ '^[a-z]$');
alter table shop.orders add constraint orders_base_fkey foreign key (tenant_id) references base.tenants (id);
comment on constraint orders_base_fkey on shop.orders is 'whose';
create index orders_state_idx on shop.orders (tenant_id, state) where state = 'new';

alter table shop.orders enable row level security;
alter table shop.orders force row level security;
create policy mine on shop.orders using (tenant_id = (select base.current())) with check (tenant_id = (select base.current()));
create trigger orders_touch before update on shop.orders for each row execute function base.touch();
create constraint trigger orders_late after insert on shop.orders deferrable initially deferred
  for each row execute function base.touch();
create rule orders_keep as on delete to shop.orders do instead nothing;`,
    '110-lines.sql': `create table shop.lines (tenant_id uuid, order_id bigint, day date not null) partition by range (day);
create table shop.lines_rest partition of shop.lines default;
create table shop.lines_old (tenant_id uuid, order_id bigint, day date not null);
alter table shop.lines attach partition shop.lines_old for values from ('2000-01-01') to ('2001-01-01');
alter table shop.lines add constraint lines_order_fkey foreign key (tenant_id, order_id) references shop.orders (tenant_id, id);`,
    '200-work.sql': `create function shop.total(p shop.pair) returns numeric language sql stable as $$ select sum(total) from shop.paid $$;
create procedure shop.work() language plpgsql as $$ begin null; end $$;
create aggregate shop.glue (text) (sfunc = textcat, stype = text);`,
    '300-views.sql': `create view shop.paid with (security_invoker = true) as select * from shop.orders where state = 'paid';
create materialized view shop.counts as select count(*) as n from shop.orders;`,
    '400-grants.sql': `grant usage on schema shop to public;
grant select on shop.paid to public;
revoke execute on function shop.total(shop.pair) from public;`,
  }),
  fixtureModule('base', [], {
    '000-schema.sql': `create extension btree_gist with schema public;
create schema base;
create function base.current() returns uuid language sql stable as 'select id from base.tenants limit 1';
create function base.touch() returns trigger language plpgsql as $$ begin return new; end $$;`,
    '100-tenants.sql': `create table base.tenants (id uuid constraint tenants_pkey primary key, name text unique);
insert into base.tenants values ('00000000-0000-0000-0000-000000000001', 'one') on conflict (id) do nothing;
do $$ begin perform 1; end $$;
select 1;`,
  }),
]
