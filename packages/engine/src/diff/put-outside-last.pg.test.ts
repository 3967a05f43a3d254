import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proveDiff } from './diff-proof.fixture.ts'

const OUTSIDE = '---'

/** The statements of a diff; OUTSIDE stands before those that cannot be in one transaction with the others. */
const CASES: Record<string, { left: string; right: string; expected: string[] }> = {
  'a view is made again before an index is built': {
    left: 'create table public.t (email varchar(20)); create view public.v as select email from public.t',
    right:
      'create table public.t (email varchar(50), constraint t_email unique (email)); create view public.v as select email from public.t',
    expected: [
      'drop view public.v',
      'alter table public.t alter column email type character varying(50)',
      'create view public.v ..',
      OUTSIDE,
      'create unique index concurrently t_email on public.t (email)',
      'alter table public.t add constraint t_email unique using index t_email',
    ],
  },
  'a foreign key is there again at once, and validated behind': {
    left: 'create table public.o (id int primary key); create table public.t (o int constraint t_o references public.o)',
    right:
      'create table public.o (id bigint primary key); create table public.t (o int constraint t_o references public.o)',
    expected: [
      'alter table public.t drop constraint t_o',
      'alter table public.o alter column id type bigint using id::bigint',
      'alter table public.t add constraint t_o foreign key (o) references public.o(id) not valid',
      OUTSIDE,
      'alter table public.t validate constraint t_o',
    ],
  },
  'foreign keys and replica identity wait for the key, comments for what they are on': {
    left: 'create table public.o (id int not null, n int); create table public.t (o int)',
    right: `create table public.o (id int not null, n int, constraint o_id unique (id)); create table public.t (o int constraint t_o references public.o (id));
      create table public.added (o int constraint added_o references public.o (id)); create index o_n on public.o (n);
      alter table public.o replica identity using index o_id;
      comment on constraint o_id on public.o is 'key'; comment on index public.o_n is 'index'; comment on table public.o is 'table'`,
    expected: [
      'create table public.added ..',
      "comment on table public.o is 'table'",
      OUTSIDE,
      'create unique index concurrently o_id on public.o (id)',
      'alter table public.o add constraint o_id unique using index o_id',
      'create index concurrently o_n on public.o (n)',
      'alter table public.added add constraint added_o foreign key (o) references public.o(id)',
      'alter table public.t add constraint t_o foreign key (o) references public.o(id) not valid',
      'alter table public.t validate constraint t_o',
      'alter table public.o replica identity using index o_id',
      "comment on constraint o_id on public.o is 'key'",
      "comment on index public.o_n is 'index'",
    ],
  },
  'not null that an identity needs is set at once': {
    left: 'create table public.t (id int)',
    right: 'create table public.t (id int generated always as identity)',
    expected: [
      'alter table public.t alter column id set not null',
      'alter table public.t alter column id add generated always as identity',
    ],
  },
  'a replica identity waits for not null of its columns': {
    left: 'create table public.t (id int); create unique index t_i on public.t (id)',
    right:
      'create table public.t (id int not null); create unique index t_i on public.t (id); alter table public.t replica identity using index t_i',
    expected: [
      'alter table public.t add constraint id_not_null_for_now check (id is not null) not valid',
      OUTSIDE,
      'alter table public.t validate constraint id_not_null_for_now',
      'alter table public.t alter column id set not null',
      'alter table public.t drop constraint id_not_null_for_now',
      'alter table public.t replica identity using index t_i',
    ],
  },
  'a replica identity waits for not null that comes from a parent': {
    left: `create table public.p (id int); create table public.a () inherits (public.p); create unique index a_i on public.a (id)`,
    right: `create table public.p (id int not null); create table public.a () inherits (public.p); create unique index a_i on public.a (id);
      alter table public.a replica identity using index a_i`,
    expected: [
      'alter table public.p add constraint id_not_null_for_now check (id is not null) not valid',
      OUTSIDE,
      'alter table public.p validate constraint id_not_null_for_now',
      'alter table public.p alter column id set not null',
      'alter table public.p drop constraint id_not_null_for_now',
      'alter table public.a replica identity using index a_i',
    ],
  },
  'replica identities of partitions wait for not null of their table': {
    left: `create table public.p (id int) partition by list (id); create table public.p1 partition of public.p default;
      create unique index p1_i on public.p1 (id)`,
    right: `create table public.p (id int not null) partition by list (id); create table public.p1 partition of public.p default;
      create unique index p1_i on public.p1 (id); alter table public.p1 replica identity using index p1_i;
      create table public.p2 partition of public.p for values in (1);
      create unique index p2_i on public.p2 (id); alter table public.p2 replica identity using index p2_i`,
    expected: [
      'alter table public.p add constraint id_not_null_for_now check (id is not null) not valid',
      'create table public.p2 ..',
      'create unique index p2_i on public.p2 (id)',
      OUTSIDE,
      'alter table public.p validate constraint id_not_null_for_now',
      'alter table public.p alter column id set not null',
      'alter table public.p drop constraint id_not_null_for_now',
      'alter table public.p2 replica identity using index p2_i',
      'alter table public.p1 replica identity using index p1_i',
    ],
  },
  'a primary key takes its index over behind not null': {
    left: 'create table public.t (id int)',
    right: 'create table public.t (id int constraint t_pkey primary key)',
    expected: [
      'alter table public.t add constraint id_not_null_for_now check (id is not null) not valid',
      OUTSIDE,
      'alter table public.t validate constraint id_not_null_for_now',
      'alter table public.t alter column id set not null',
      'alter table public.t drop constraint id_not_null_for_now',
      'create unique index concurrently t_pkey on public.t (id)',
      'alter table public.t add constraint t_pkey primary key using index t_pkey',
    ],
  },
  'a primary key that is built at once makes its column not null by itself': {
    left: `create table public.t (id int, n int); create table public.p (id int) partition by list (id);
      create table public.p1 partition of public.p default`,
    right: `create table public.t (id int, n int, constraint t_pkey primary key (id));
      create table public.p (id int constraint p_pkey primary key) partition by list (id); create table public.p1 partition of public.p default;
      create view public.v as select id, n from public.t group by id`,
    expected: [
      'alter table public.p add constraint id_not_null_for_now check (id is not null) not valid',
      'alter table public.t add constraint id_not_null_for_now check (id is not null) not valid',
      'alter table public.p1 add constraint p1_pkey primary key (id)',
      'alter table public.p add constraint p_pkey primary key (id)',
      'alter table public.t add constraint t_pkey primary key (id)',
      'create view public.v ..',
      OUTSIDE,
      'alter table public.p validate constraint id_not_null_for_now',
      'alter table public.p alter column id set not null',
      'alter table public.p drop constraint id_not_null_for_now',
      'alter table public.t validate constraint id_not_null_for_now',
      'alter table public.t alter column id set not null',
      'alter table public.t drop constraint id_not_null_for_now',
    ],
  },
  'a primary key that a view is grouped by is built at once': {
    left: 'create table public.t (id int not null, n int)',
    right:
      'create table public.t (id int not null, n int, constraint t_pkey primary key (id)); create view public.v as select id, n from public.t group by id',
    expected: ['alter table public.t add constraint t_pkey primary key (id)', 'create view public.v ..'],
  },
  'an index of a partitioned table takes those of its partitions over': {
    left: `create table public.p (n int) partition by list (n); create table public.p1 partition of public.p default`,
    right: `create table public.p (n int) partition by list (n); create table public.p1 partition of public.p default;
      create index p1_by_hand on public.p1 (n); create index p_n on public.p (n)`,
    expected: [OUTSIDE, 'create index concurrently p1_by_hand on public.p1 (n)', 'create index p_n on public.p (n)'],
  },
  'a table with an index becomes a partition of a new one': {
    left: 'create table public.p1 (n int)',
    right: `create table public.p (n int) partition by list (n); create table public.p1 partition of public.p default;
      create index p1_n on public.p1 (n); create index p_n on public.p (n)`,
    expected: [
      'create table public.p ..',
      'alter table public.p attach partition public.p1 default',
      'create index p1_n on public.p1 (n)',
      'create index p_n on public.p (n)',
    ],
  },
  'not null is set at once where a table becomes a partition': {
    left: 'create table public.p (n int not null) partition by list (n); create table public.p1 (n int)',
    right:
      'create table public.p (n int not null) partition by list (n); create table public.p1 partition of public.p default',
    expected: [
      'alter table public.p1 alter column n set not null',
      'alter table public.p attach partition public.p1 default',
    ],
  },
  'a check of a domain': {
    left: 'create domain public.d as int; create table public.t (n public.d)',
    right: 'create domain public.d as int constraint d_check check (value > 0); create table public.t (n public.d)',
    expected: [
      'alter domain public.d add constraint d_check check ((value > 0)) not valid',
      OUTSIDE,
      'alter domain public.d validate constraint d_check',
    ],
  },
  'an index that is replica identity is made again': {
    left: 'create table public.t (id int not null, n int not null); create unique index t_i on public.t (id); alter table public.t replica identity using index t_i',
    right:
      'create table public.t (id int not null, n int not null); create unique index t_i on public.t (n); alter table public.t replica identity using index t_i',
    expected: [
      'drop index public.t_i',
      OUTSIDE,
      'create unique index concurrently t_i on public.t (n)',
      'alter table public.t replica identity using index t_i',
    ],
  },
}

for (const [title, { left, right, expected }] of Object.entries(CASES)) {
  test(`diffCatalogs outside of the transaction: ${title}`, async () => {
    const { statements, differences } = await proveDiff(left, right, { concurrently: true })

    const shown = (sql: string) => sql.replace(/^(create (?:view|table) \S+)[^]*$/, '$1 ..')
    const first = statements.findIndex(({ outside }) => outside)
    const texts = statements.map(({ sql }) => shown(sql))
    assert.deepEqual(first < 0 ? texts : texts.toSpliced(first, 0, OUTSIDE), expected)
    assert.ok(first < 0 || statements.slice(first).every(({ outside }) => outside))
    assert.deepEqual(differences, [])
  })
}

test('diffCatalogs in one transaction: nothing is outside, and what validates says that it locks', async () => {
  const left = 'create table public.o (id int, n int); create table public.t (o int)'
  const right = `create table public.o (id int primary key, n int, constraint o_n check (n > 0));
    create table public.t (o int constraint t_o references public.o); create domain public.d as int`

  const { statements, differences } = await proveDiff(left, right, { concurrently: false })

  assert.deepEqual(
    statements.filter(({ outside }) => outside),
    [],
  )
  assert.deepEqual(
    statements.filter(({ sql }) => sql.includes(' validate ')).map(({ sql, hazard }) => [sql, hazard]),
    [
      ['alter table public.o validate constraint o_n', 'locks'],
      ['alter table public.t validate constraint t_o', 'locks'],
    ],
  )
  assert.deepEqual(differences, [])
})
